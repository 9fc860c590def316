// Finetuning by command: kiln train --init-from, kiln new --init-from.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;
using testing::SmallRun;

/// A trained model and another text, in a folder of their own.
class Finetune : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = new SmallRun;
    EXPECT_EQ(model_->train().code, 0);
  }
  static void TearDownTestSuite() { delete model_; }

  std::string text(int lines = 100) const {
    std::string text;
    for (int i = 0; i < lines; ++i) text += "ten nine eight seven six five four three two one.\n";
    return scratch_.write("countdown.txt", text);
  }

  Outcome kiln(const std::vector<std::string>& command) const { return run_kiln(command, "", scratch_.path()); }
  Json json_of(const std::string& name) const { return Json::parse(read_file(scratch_.path(name).string())); }

  static std::vector<std::string> training(const std::string& data, const std::vector<std::string>& more = {}) {
    std::vector<std::string> command{"train", "--init-from", model_->folder, "--data", data};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  static SmallRun* model_;
  Scratch scratch_;
};
SmallRun* Finetune::model_ = nullptr;

TEST_F(Finetune, TrainsAModelFurtherOnAText) {
  const Outcome outcome = kiln(training(text()));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("finetuning " + model_->folder), HasSubstr("3 passes"),
                                 HasSubstr("the run is in runs/run-countdown")));
  const Json config = json_of("runs/run-countdown/config.json");
  EXPECT_EQ(config["optimizer"]["type"], "adamw");
  EXPECT_EQ(config["optimizer"]["learning_rate"], 5e-3);
  EXPECT_EQ(config["schedule"]["type"], "linear");
  EXPECT_EQ(config["train"]["epochs"], 3.0);
  EXPECT_EQ(config["model"]["n_ctx"], 16);
  const Json before = Json::parse(kiln({"eval", model_->folder, "--data", text(), "--json"}).out);
  const Json after = Json::parse(kiln({"eval", "runs/run-countdown", "--data", text(), "--json"}).out);
  EXPECT_LT(after["loss"], before["loss"]);
  EXPECT_EQ(kiln(training(text())).code, 2);  // the run is there already
}

TEST_F(Finetune, AdaptersGetAHigherLearningRate) {
  const Outcome outcome = kiln(training(text(), {"--set", "lora.rank=2", "--set", "train.epochs=1"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("AdamW at 0.01 after"));
  EXPECT_EQ(json_of("runs/run-countdown/config.json")["optimizer"]["learning_rate"], 0.01);
  ASSERT_EQ(kiln(training(text(), {"--set", "lora.rank=2", "--set", "train.epochs=1", "--set",
                                   "optimizer.learning_rate=0.004", "--run", "own"}))
                .code,
            0);
  EXPECT_EQ(json_of("own/config.json")["optimizer"]["learning_rate"], 0.004);
}

TEST_F(Finetune, IsResumedToTheByte) {
  const std::vector<std::string> set{"--set", "train.threads=1", "--run"};
  std::vector<std::string> whole = training(text(), set), parts = whole;
  whole.emplace_back("whole");
  parts.emplace_back("parts");
  ASSERT_EQ(kiln(whole).code, 0);
  ASSERT_EQ(kiln(parts).code, 0);
  const std::string last = read_file(scratch_.path("parts/checkpoints/latest").string());
  fs::remove_all(scratch_.path("parts/checkpoints/" + last.substr(0, last.find('\n'))));
  const Outcome resumed = kiln({"train", "parts", "--resume"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step "));
  const std::string weights = "/checkpoints/" + last.substr(0, last.find('\n')) + "/model.safetensors";
  EXPECT_EQ(read_file(scratch_.path("parts" + weights).string()), read_file(scratch_.path("whole" + weights).string()));
}

TEST_F(Finetune, TheSameCommandResumesTheRunAndNothingElseIsChosen) {
  ASSERT_EQ(kiln(training(text(), {"--set", "optimizer.learning_rate=0.003"})).code, 0);
  const Outcome again = kiln(training(text(), {"--resume", "--set", "train.epochs=4"}));
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("resuming at step "));
  EXPECT_EQ(json_of("runs/run-countdown/config.json")["optimizer"]["learning_rate"], 0.003);
  const Outcome none = kiln(training(text(), {"--resume", "--run", "other"}));
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("other: there is no run to resume; --resume=auto starts one"));
}

TEST_F(Finetune, MayBeGivenATime) {
  const Outcome outcome = kiln(training(text(), {"--for", "2s"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json config = json_of("runs/run-countdown/config.json");
  EXPECT_TRUE(config["train"]["epochs"].is_null());
  EXPECT_EQ(config["train"]["time_budget"], 2);
  EXPECT_THAT(kiln(training(text(), {"--for", "soon", "--run", "x"})).err, HasSubstr("--for soon: a duration such as"));
}

TEST_F(Finetune, ATextThatIsMissingOrTooShortIsRefused) {
  const Outcome outcome =
      kiln(training(scratch_.write("line.txt", "ten nine eight seven six five four"), {"--set", "train.epochs=1"}));
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("tokens to train on; at least 32 are needed"));
  EXPECT_EQ(kiln({"train", "--init-from", model_->folder}).code, 2);
  EXPECT_THAT(kiln({"train", "--init-from", model_->folder}).err, HasSubstr("name it with --data FILES"));
}

TEST_F(Finetune, NewWritesAConfigAndTheReasons) {
  const Outcome made = kiln({"new", "--init-from", model_->folder, "--data", text(), "--for", "1m"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("kiln train run-countdown.json"));
  const Json config = json_of("run-countdown.json");
  EXPECT_EQ(config["init_from"], model_->folder);
  EXPECT_EQ(config["name"], "run-countdown");
  EXPECT_EQ(config["train"]["time_budget"], "1m");
  EXPECT_FALSE(config.contains("tokenizer"));
  EXPECT_FALSE(config.contains("model"));
  EXPECT_THAT(read_file(scratch_.path("run-countdown.json.why.md").string()),
              AllOf(HasSubstr("`init_from`"), HasSubstr("`optimizer`"), HasSubstr("`train.time_budget`")));
  EXPECT_EQ(kiln({"train", "run-countdown.json", "--set", "train.steps=2"}).code, 0);
}

TEST_F(Finetune, OptionsChangeAConfigThatIsGiven) {
  const Outcome outcome = kiln({"train", model_->config, "--run", "changed", "--data", text(), "--for", "1s"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json config = json_of("changed/config.json");
  EXPECT_EQ(config["data"]["train"], Json::array({text()}));
  EXPECT_EQ(config["train"]["time_budget"], 1);
  EXPECT_TRUE(config["train"]["steps"].is_null());
}

}  // namespace
}  // namespace kiln
