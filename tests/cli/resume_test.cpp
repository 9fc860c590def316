// What a resume goes by: the run's config, the changes of the config file, --set; and where there is no run.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_kiln;
using testing::SmallRun;

Json config_of(const SmallRun& run) { return Json::parse(read_file(run.folder + "/config.json")); }

/// Edits the config file that the run was started with.
void edit(const SmallRun& run, const Json& keys) {
  Json config = Json::parse(read_file(run.config));
  config.merge_patch(keys);
  run.scratch.write("small.json", config.dump());
}

TEST(Resume, WhatSetGaveTheRunNeedNotBeRepeated) {
  const SmallRun run, whole;
  const std::vector<std::string> set{"--set", "train.steps=6", "--set", "optimizer.learning_rate=0.02"};
  ASSERT_EQ(run.train({"--set", "train.steps=4", "--set", "optimizer.learning_rate=0.02"}).code, 0);
  const Outcome again = run.train({"--resume", "--set", "train.steps=6"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("/optimizer/learning_rate is 0.01; the run keeps its 0.02 (--set changes it)"));
  EXPECT_EQ(config_of(run)["optimizer"]["learning_rate"], 0.02);
  EXPECT_EQ(config_of(run)["train"]["steps"], 6);
  const Outcome finished = run.train({"--resume"});
  EXPECT_THAT(finished.err, HasSubstr("finished after 6 steps; raise train.steps"));  // not the 20 of the config file
  const Outcome past = run.train({"--resume", "--set", "train.steps=5"});
  EXPECT_EQ(past.code, 0) << past.err;
  EXPECT_THAT(past.err, HasSubstr("is at step 6, and train.steps ends it at 5; nothing is trained"));
}

TEST(Resume, ChangesOfTheConfigFileCountAndSetComesLast) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=4", "--set", "train.log_every=2"}).code, 0);
  edit(run, {{"train", {{"steps", 5}, {"keep_checkpoints", 1}}}});
  const Outcome edited = run.train({"--resume"});
  EXPECT_EQ(edited.code, 0) << edited.err;
  EXPECT_EQ(config_of(run)["train"]["steps"], 5);
  EXPECT_EQ(config_of(run)["train"]["keep_checkpoints"], 1);
  EXPECT_EQ(config_of(run)["train"]["log_every"], 2);
  EXPECT_THAT(edited.err, HasSubstr("changed since the checkpoint: /train/steps: 4 -> 5"));
  edit(run, {{"train", {{"steps", 7}}}});
  EXPECT_EQ(run.train({"--resume", "--set", "train.steps=6"}).code, 0);
  EXPECT_EQ(config_of(run)["train"]["steps"], 6);
  EXPECT_EQ(run.train({"--resume"}).code, 0);  // the file's 7 was known at the last start: no change since
  EXPECT_EQ(config_of(run)["train"]["steps"], 6);
}

TEST(Resume, ByTheRunItselfKeepsWhatTheFileWasAtItsStart) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=2"}).code, 0);
  edit(run, {{"train", {{"keep_checkpoints", 1}}}});
  ASSERT_EQ(run_kiln({"train", run.folder, "--resume", "--set", "train.steps=3"}).code, 0);
  EXPECT_NE(config_of(run)["train"]["keep_checkpoints"], 1);
  ASSERT_EQ(run.train({"--resume", "--set", "train.steps=4"}).code, 0);
  EXPECT_EQ(config_of(run)["train"]["keep_checkpoints"], 1);
}

TEST(Resume, ARunOfAnOlderKilnGoesByTheWholeFile) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=2"}).code, 0);
  std::filesystem::remove(run.folder + "/given.json");
  edit(run, {{"train", {{"steps", 3}}}});
  EXPECT_EQ(run.train({"--resume"}).code, 0);
  EXPECT_EQ(config_of(run)["train"]["steps"], 3);
}

TEST(Resume, AChangeThatBindsTheRunIsStillRefused) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=2"}).code, 0);
  edit(run, {{"model", {{"n_layers", 2}}}});
  const Outcome outcome = run.train({"--resume"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("/model/n_layers: 1 -> 2"));
}

TEST(Resume, WhereThereIsNoRunIsAnErrorUnlessAskedFor) {
  const SmallRun run;
  const Outcome none = run.train({"--resume"});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, AllOf(HasSubstr(run.folder + ": there is no run to resume"), HasSubstr("--resume=auto")));
  EXPECT_FALSE(path_exists(run.folder));
  EXPECT_EQ(run.train({"--resume=auto", "--set", "train.steps=2"}).code, 0);
  const Outcome resumed = run.train({"--resume=auto", "--set", "train.steps=3"});
  EXPECT_EQ(resumed.code, 0);
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step 2"));
  EXPECT_EQ(run.train({"--resume=never"}).code, 2);
  EXPECT_EQ(run.train({"--resume=auto", "--overwrite"}).code, 2);
}

TEST(Resume, ARunWithoutACheckpointStartsAtNought) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=2"}).code, 0);
  std::filesystem::remove_all(run.folder + "/checkpoints");
  const Outcome outcome = run.train({"--resume"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("no checkpoint to resume; starting at step 0"));
}

TEST(Resume, ATextInPlaceOfAConfigIsToldOfNew) {
  const SmallRun run;
  const std::string text = run.scratch.write("My Notes.txt", "one two three\n");
  const Outcome outcome = run_kiln({"train", text});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("is not a config"), HasSubstr("\n  kiln new --data '" + text +
                                                                         "' && kiln train "
                                                                         "My-Notes.json")));
  const Outcome data = run_kiln({"train", "--data", text});
  EXPECT_EQ(data.code, 2);
  EXPECT_THAT(data.err, AllOf(HasSubstr("\n  kiln new --data '" + text + "' && kiln train My-Notes.json\n"),
                              HasSubstr("kiln train --init-from RUN --data '" + text + "'")));
  const std::string broken = run.scratch.write("broken.json", "[1,");
  EXPECT_THAT(run_kiln({"train", broken}).err, Not(HasSubstr("kiln new")));
}

}  // namespace
}  // namespace kiln
