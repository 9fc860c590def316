// Documents that do not see each other, and tensors that do not train, from a config to a resumed run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <string>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::SmallRun;

/// JSON Lines with a short document each.
std::string documents() {
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "{\"text\": \"tale " + std::to_string(i % 7) + " ends\"}\n";
  return lines;
}

TEST(DocumentsApart, AreTrainedEvaluatedAndResumedTheSameWay) {
  const SmallRun run;
  const std::vector<std::string> sets{"--set", "data.train=" + run.scratch.write("tales.jsonl", documents()),
                                      "--set", "data.attend_across_documents=false",
                                      "--set", "tokenizer.special_tokens=[\"<|endoftext|>\"]",
                                      "--set", "train.eval_tokens=all"};
  const Outcome trained = run.train(sets);
  ASSERT_EQ(trained.code, 0) << trained.err;
  const Outcome evaluated = run_kiln({"eval", run.folder, "--checkpoint", "latest", "--json"});
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  const std::string loss = nlohmann::json::parse(evaluated.out)["loss"].dump().substr(0, 7);
  const Outcome rows = testing::run({"tail", "-n", "1", run.folder + "/metrics.jsonl"});
  EXPECT_EQ(nlohmann::json::parse(rows.out)["validation_loss"].dump().substr(0, 7), loss);

  const Outcome changed = run.train({"--resume", "--set", "data.attend_across_documents=true"});
  EXPECT_EQ(changed.code, 2);
  EXPECT_THAT(changed.err, HasSubstr("/data/attend_across_documents: false -> true"));
}

TEST(DocumentsApart, NeedATokenThatEndsThem) {
  const SmallRun run;
  const Outcome outcome =
      run.train({"--set", "data.attend_across_documents=false", "--set", "tokenizer.special_tokens=[]"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("no token ends documents; name one with tokenizer.end_of_text"));
}

TEST(Freeze, KeepsTensorsOverAResumeAndRefusesAnotherList) {
  const SmallRun run;
  const std::vector<std::string> sets{"--set", "train.freeze=[\"h.0.*\"]", "--set", "train.keep_checkpoints=9"};
  const Outcome trained = run.train(sets);
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("parameters train (all but train.freeze); the others stay as they are"));
  const Outcome resumed = run.train({"--resume", "--set", "train.steps=22"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  const Outcome compared = run_kiln({"diff", run.folder + "/checkpoints/step-00000000",
                                     run.folder + "/checkpoints/step-00000022", "--weights", "--json"});
  ASSERT_THAT(compared.code, ::testing::AnyOf(0, 1)) << compared.err;
  EXPECT_THAT(compared.out, HasSubstr("wte.weight"));
  EXPECT_EQ(run_kiln({"verify", run.folder}).code, 0);
  const Outcome changed = run.train({"--resume", "--set", "train.freeze=[]"});
  EXPECT_EQ(changed.code, 2);
  EXPECT_THAT(changed.err, HasSubstr("/train/freeze"));
}

TEST(Freeze, NamesTheTensorsThatItKnows) {
  const SmallRun run;
  const Outcome outcome = run.train({"--set", "train.freeze=[\"h.9.*\"]"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("train.freeze: no tensor is named \"h.9.*\""));
}

}  // namespace
}  // namespace kiln
