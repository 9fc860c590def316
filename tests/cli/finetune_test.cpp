// Finetuning by command: kiln new --init-from.
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

  static SmallRun* model_;
  Scratch scratch_;
};
SmallRun* Finetune::model_ = nullptr;

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

}  // namespace
}  // namespace kiln
