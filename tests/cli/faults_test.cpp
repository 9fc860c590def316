// Faults and bad input as a user meets them: exit codes and messages; docs/reliability.md lists them all.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::Process;
using testing::run_kiln;
using testing::Scratch;
using testing::SmallRun;

void expect_failure(const Outcome& outcome, int code, const std::vector<std::string>& parts) {
  EXPECT_EQ(outcome.code, code) << outcome.err;
  for (const std::string& part : parts) EXPECT_THAT(outcome.err, HasSubstr(part));
}

/// A trained run whose last checkpoint has one file damaged.
void expect_damage_found(const SmallRun& run, const std::string& file, const std::string& problem) {
  const std::string last = run.folder + "/checkpoints/step-00000020";
  for (const char* command : {"sample", "eval"}) {
    expect_failure(run_kiln({command, last}), 3, {file, problem});
    expect_failure(run_kiln({command, run.folder, "--checkpoint", "latest"}), 3, {file, problem});
  }
  const Outcome resumed = run.train({"--resume", "--set", "train.steps=22"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("warning: step-00000020 is skipped: "));
  EXPECT_THAT(resumed.err, HasSubstr(problem));
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step 18 from "));
  EXPECT_EQ(run.latest_step(), 22);
  EXPECT_EQ(run_kiln({"verify", run.folder}).code, 0);  // the damaged one was rewritten
}

TEST(Faults, ACheckpointFileCutShortExitsThreeAndAResumeFallsBack) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  std::filesystem::resize_file(run.folder + "/checkpoints/step-00000020/model.safetensors", 1000);
  expect_damage_found(run, "model.safetensors", "has 1,000 bytes, the manifest says ");
}

TEST(Faults, OneBitFlippedInACheckpointExitsThreeAndAResumeFallsBack) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const std::string file = run.folder + "/checkpoints/step-00000020/optimizer.safetensors";
  std::string bytes = read_file(file);
  bytes[bytes.size() / 2] ^= 16;
  write_file_synced(file, bytes);
  expect_damage_found(run, "optimizer.safetensors", "the checksum is ");
}

TEST(Faults, ALatestThatIsEmptyIsMadeUpForByAScan) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const std::string latest = run.folder + "/checkpoints/latest";
  write_file_synced(latest, "");
  const Outcome outcome = run_kiln({"eval", run.folder, "--checkpoint", "latest"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("latest: names no checkpoint; using the newest one: step-00000020"));
  EXPECT_EQ(run.train({"--resume"}).code, 0);  // finished, but put in order
  EXPECT_EQ(read_file(latest), "step-00000020\n");
}

TEST(Faults, ACheckpointOfANewerKilnExitsThreeWithBothVersions) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const std::string manifest = run.folder + "/checkpoints/step-00000020/manifest.json";
  std::string text = read_file(manifest);
  text.replace(text.find("\"format_version\": 1"), 19, "\"format_version\": 7");
  write_file_synced(manifest, text);
  for (const Outcome& outcome : {run.train({"--resume", "--set", "train.steps=22"}),
                                 run_kiln({"sample", run.folder, "--checkpoint", "latest"})}) {
    expect_failure(outcome, 3, {"written in format 7", "knows those up to 1"});
  }
}

TEST(Faults, ARunDirectoryThatCannotBeWrittenExitsFive) {
  const SmallRun run;
  const std::string file = run.scratch.write("file", "");
  for (const auto& [folder, blocked] :
       {std::pair<std::string, std::string>("/proc/run", "/proc/run"), {file + "/run", file}}) {
    const Outcome outcome = run_kiln({"train", run.config, "--run", folder});
    expect_failure(outcome, 5, {blocked + ": the folder cannot be made"});
    EXPECT_THAT(outcome.err, ::testing::Not(HasSubstr("step ")));
  }
}

TEST(Faults, AConfigThatDisagreesWithTheCheckpointExitsTwoWithEveryDifference) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  expect_failure(run.train({"--resume", "--set", "model.d_model=32", "--set", "model.n_layers=2"}), 2,
                 {"/model/n_layers: 1 -> 2", "/model/d_model: 16 -> 32", "--overwrite"});
}

TEST(Faults, AnotherTokenizerThanTheCheckpointsExitsTwo) {
  const SmallRun run;
  const std::string tokenizer = run.scratch.path("tokenizer.json").string();
  const auto train_tokenizer = [&](const std::string& text) {
    return run_kiln({"tokenizer", "train", "--input", run.scratch.write("other.txt", text), "--vocab-size", "260",
                     "--output", tokenizer});
  };
  const std::vector<std::string> by_path{"--set", "tokenizer.type=bpe", "--set", "tokenizer.path=" + tokenizer};
  ASSERT_EQ(train_tokenizer("ab ab ab ab ac ac ac").code, 0);
  ASSERT_EQ(run.train(by_path).code, 0);
  ASSERT_EQ(train_tokenizer("xy xy xy xy xz xz xz").code, 0);
  std::vector<std::string> resume = by_path;
  resume.insert(resume.end(), {"--resume", "--set", "train.steps=25"});
  expect_failure(run.train(resume), 2, {tokenizer, "the tokenizer is not the one that", "--force-tokenizer"});
  resume.emplace_back("--force-tokenizer");
  const Outcome forced = run.train(resume);
  EXPECT_EQ(forced.code, 0) << forced.err;
  EXPECT_THAT(forced.err, HasSubstr("is ignored; using the tokenizer of"));
}

TEST(Faults, TwoProcessesInOneRunDirectory) {
  const SmallRun run;
  Process first(run.training(SmallRun::kEndless));
  ASSERT_TRUE(first.wait_for_error_text("step "));
  expect_failure(run.train({"--resume"}), 2, {std::to_string(first.id())});
  first.send(SIGKILL);
  EXPECT_EQ(first.finish().code, -SIGKILL);
  const Outcome resumed = run.train({"--resume", "--set", "train.steps=20"});  // not the endless run's
  EXPECT_EQ(resumed.code, 0) << resumed.err;  // the lock of a dead process blocks nobody
}

TEST(Faults, AReaderOfTheLogThatGoesAwayStopsNoTraining) {
  const SmallRun run;
  std::string command;
  for (const std::string& word : run.training()) command += "'" + word + "' ";
  const Outcome outcome = testing::run({"bash", "-c", command + "2>&1 | head -n 1; echo ${PIPESTATUS[0]}"});
  EXPECT_THAT(outcome.out, ::testing::EndsWith("\n0\n"));
  EXPECT_EQ(run.latest_step(), 20);
}

TEST(Faults, LossesThatAreNotFiniteInARowExitFour) {
  const SmallRun run;
  const Outcome outcome = run.train({"--set", "optimizer.type=sgd", "--set", "optimizer.learning_rate=1e30", "--set",
                                     "optimizer.clip_norm=0", "--set", "train.max_bad_steps=3", "--set",
                                     "train.eval_every=0", "--set", "schedule.warmup_steps=0"});
  expect_failure(outcome, 4, {"the update is skipped (1 in a row)", "diverged: 3 steps in a row", "on windows "});
  EXPECT_EQ(run_kiln({"verify", run.folder}).code, 0);
}

TEST(Faults, ATokenFileCutShortWhileItIsInUseExitsThree) {
  const SmallRun run;
  std::string ids(200'000, '\1');
  for (std::size_t i = 1; i < ids.size(); i += 2) ids[i] = '\0';
  const std::string tokens = run.scratch.write("tokens.bin", ids);
  std::vector<std::string> command = run.training(SmallRun::kEndless);
  command.insert(command.end(), {"--set", "data.train=[\"" + tokens + "\"]", "--set", "tokenizer.type=none", "--set",
                                 "tokenizer.vocab_size=100", "--set", "data.validation_fraction=0"});
  Process training(command);
  ASSERT_TRUE(training.wait_for_error_text("step "));
  std::filesystem::resize_file(tokens, 0);
  const Outcome outcome = training.finish();
  expect_failure(outcome, 3, {tokens, "was it cut short while it was in use?"});
  EXPECT_EQ(run_kiln({"verify", run.folder}).code, 0);
}

TEST(Faults, EmptyCorpusExitsTwoWithBothNumbers) {
  const SmallRun run;
  const std::string empty = "data.train=[\"" + run.scratch.write("empty.txt", "") + "\"]";
  expect_failure(run.train({"--set", empty}), 2, {"data.train", " 0 ", "17"});
}

TEST(Faults, TooFewTokensExitTwoWithBothNumbers) {
  const SmallRun run;
  const std::string brief = "data.train=[\"" + run.scratch.write("brief.txt", "twelve bytes") + "\"]";
  expect_failure(run.train({"--set", brief, "--set", "data.validation_fraction=0"}), 2, {"data.train", "12", "17"});
}

/// kiln train on a token file of these bytes, of a vocabulary of 100 ids.
Outcome train_on_tokens(const SmallRun& run, const std::string& bytes) {
  return run.train({"--set", "data.train=[\"" + run.scratch.write("tokens.bin", bytes) + "\"]", "--set",
                    "tokenizer.type=none", "--set", "tokenizer.vocab_size=100"});
}

TEST(Faults, AnOddTokenFileExitsThree) {
  const SmallRun run;
  expect_failure(train_on_tokens(run, std::string(1001, '\0')), 3, {"tokens.bin", "1,001"});
}

TEST(Faults, ATokenBeyondTheVocabularyExitsThreeWithItsOffset) {
  const SmallRun run;
  std::string bytes(2000, '\1');  // every id is 257
  for (std::size_t i = 0; i < 1500; ++i) bytes[i] = '\0';
  expect_failure(train_on_tokens(run, bytes), 3, {"tokens.bin", "257", "1500", "100"});
}

TEST(Faults, EveryProblemOfAConfigIsReportedWithItsPointer) {
  const Scratch scratch;
  const std::string config = scratch.write("bad.json", R"({
    "data": {"train": ["a.txt"]},
    "model": {"n_heads": 4, "n_kv_heads": 3, "d_modle": 8, "dropout": 2},
    "optimizer": {"learning_rate": "fast"},
    "train": {"steps": 1, "epochs": 1}
  })");
  expect_failure(run_kiln({"train", config}), 2,
                 {"/model/d_modle", "did you mean \"d_model\"?", "/model/n_kv_heads", "/model/dropout",
                  "/optimizer/learning_rate", "/train/"});
}

TEST(Faults, NanIsRefused) {
  const SmallRun run;
  expect_failure(run_kiln({"train", run.scratch.write("nan.json", R"({"model": {"dropout": NaN}})")}), 2,
                 {"nan.json:1:", "not valid JSON"});
  expect_failure(run.train({"--set", "model.dropout=NaN"}), 2, {"/model/dropout"});
}

TEST(Faults, MoreMemoryThanThereIsExitsTwoBeforeAStep) {
  const SmallRun run;
  const Outcome outcome = run.train({"--set", "train.batch_size=100000000"});
  expect_failure(outcome, 2, {"training needs", "available"});
  EXPECT_LT(outcome.peak_bytes, (200u << 20) + testing::kSanitizerBytes);
}

/// A limit that the plan of the memory does not know of.
TEST(Faults, MemoryThatIsRefusedExitsTwo) {
  if (testing::kSanitizerBytes > 0) GTEST_SKIP() << "the sanitizers reserve more than any limit";
  const SmallRun run;
  std::string command = "ulimit -v 1000000; ";
  for (const std::string& word : run.training({"--set", "model.d_model=2048", "--set", "train.batch_size=1024"}))
    command += "'" + word + "' ";
  const Outcome outcome = testing::run({"bash", "-c", command});
  expect_failure(outcome, 2, {"memory"});
}

TEST(Faults, SizesThatOverflowExitTwo) {
  const SmallRun run;
  expect_failure(run.train({"--set", "train.batch_size=9000000000000000000"}), 2, {"/train/batch_size"});
}

/// What a run of one step writes, as JSON.
Outcome sample(std::vector<std::string> more) {
  static const SmallRun run;
  static const Outcome training = run.train({"--set", "train.steps=1"});
  EXPECT_EQ(training.code, 0) << training.err;
  more.insert(more.begin(), {"sample", run.folder, "--max-tokens", "4", "--json"});
  return run_kiln(more);
}

TEST(Faults, APromptLongerThanTheContextIsCutFromTheLeft) {
  const std::string end = "sixteen bytes, 2";
  const Outcome longer = sample({"--prompt", std::string(1000, 'x') + end, "--greedy"});
  ASSERT_EQ(longer.code, 0) << longer.err;
  const Outcome cut = sample({"--prompt", end, "--greedy"});
  EXPECT_EQ(nlohmann::json::parse(longer.out)[0]["text"], nlohmann::json::parse(cut.out)[0]["text"]);
}

TEST(Faults, AnEmptyPromptBeginsAnew) {
  const Outcome outcome = sample({"--prompt", ""});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)[0]["tokens"], 4);
}

TEST(Faults, TemperatureZeroIsGreedyAndTopKBeyondTheVocabularyIsAll) {
  const std::string greedy = sample({"--prompt", "one", "--greedy"}).out;
  EXPECT_EQ(sample({"--prompt", "one", "--temperature", "0"}).out, greedy);
  EXPECT_EQ(sample({"--prompt", "one", "--top-k", "100000", "--seed", "3"}).out,
            sample({"--prompt", "one", "--top-k", "0", "--seed", "3"}).out);
}

TEST(Faults, WhatIsOutOfRangeExitsTwo) {
  expect_failure(sample({"--temperature", "-1"}), 2, {"temperature", "-1"});
  expect_failure(sample({"--top-p", "0"}), 2, {"top-p", "0"});
}

TEST(Faults, InstructionsMayBeHiddenAndAnUnknownNameExitsTwo) {
  const SmallRun run;
  const auto train = [&](const std::string& instructions) {
    std::vector<std::string> command = run.training({"--set", "train.steps=1", "--overwrite"});
    command.insert(command.begin(), {"env", "KILN_INSTRUCTIONS=" + instructions});
    return testing::run(command);
  };
  for (const char* known : {"plain", "avx2", "avx512"}) EXPECT_EQ(train(known).code, 0) << known;
  expect_failure(train("avx1024"), 2, {"KILN_INSTRUCTIONS is \"avx1024\"", "plain, avx2 or avx512"});
}

TEST(Faults, AnotherPrecisionIsAllowedAndSaid) {
  const SmallRun run;
  ASSERT_EQ(run.train().code, 0);
  const Outcome outcome = run.train({"--resume", "--set", "train.precision=bf16", "--set", "train.steps=22"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("the checkpoint was made in fp32, the run continues in bf16"));
}

TEST(Faults, AConfigThatIsNoObjectExitsTwo) {
  const SmallRun run;
  run.scratch.write("list.json", "[1, 2]");
  expect_failure(run_kiln({"train", run.scratch.path("list.json").string()}), 2,
                 {"list.json", "an object is expected"});
}

TEST(Faults, AWorkingDirectoryThatIsRemovedDoesNotEndARun) {
  const SmallRun run;
  const std::string gone = run.scratch.path("gone");
  std::string command = "mkdir '" + gone + "' && cd '" + gone + "' && rmdir '" + gone + "' && exec";
  for (const std::string& word : run.training()) command += " '" + word + "'";
  const Outcome outcome = testing::run({"sh", "-c", command});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(run_kiln({"verify", run.folder}).code, 0);
}

TEST(Faults, OtherDataThanTheRunsExitsTwo) {
  const SmallRun run;
  std::filesystem::create_directory(run.scratch.path("texts"));
  std::string text;
  for (int i = 0; i < 200; ++i) text += "one two three ";
  run.scratch.write("texts/a.txt", text);
  const std::string texts = "data.train=[\"" + run.scratch.path("texts").string() + "\"]";
  ASSERT_EQ(run.train({"--set", texts, "--set", "train.steps=2"}).code, 0);
  ASSERT_EQ(run.train({"--set", texts, "--set", "train.steps=3", "--resume"}).code, 0);
  run.scratch.write("texts/b.txt", text);
  std::filesystem::remove_all(run.folder + "/tokens");  // which the run would go on with
  expect_failure(run.train({"--set", texts, "--set", "train.steps=4", "--resume"}), 2,
                 {"was trained on other data than data.train and data.validation give now"});
  expect_failure(run_kiln({"eval", run.folder}), 2,
                 {"other data than data.train and data.validation hold now", "--data FILE"});
}

TEST(Faults, ADivergedRunGoesOnFromBeforeTheWeightsThatWereRuined) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=4", "--set", "train.checkpoint_every=1"}).code, 0);
  const std::vector<std::string> more{"--resume",       "--set", "train.checkpoint_every=1", "--set",
                                      "train.steps=40", "--set", "train.eval_every=0"};
  std::vector<std::string> ruinous = more;
  ruinous.insert(ruinous.end(), {"--set", "optimizer.learning_rate=1e30", "--set", "optimizer.clip_norm=0"});
  expect_failure(run.train(ruinous), 4, {"diverged: 10 steps in a row", "continues from step 4"});
  std::vector<std::string> milder = more;  // --set, since the run keeps what it was given
  milder.insert(milder.end(), {"--set", "optimizer.learning_rate=0.01", "--set", "optimizer.clip_norm=1"});
  const Outcome resumed = run.train(milder);
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step 4"));
  EXPECT_THAT(resumed.err, Not(HasSubstr("skipped")));
}

}  // namespace
}  // namespace kiln
