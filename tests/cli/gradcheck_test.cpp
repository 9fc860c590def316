// kiln gradcheck: a line a tensor, and an exit code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/scratch.h"
#include <string>

namespace kiln {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;

std::string gradcheck_config(const Scratch& scratch) {
  return scratch.write("tiny.json", R"({"tokenizer": {"type": "byte"},
    "model": {"n_layers": 1, "d_model": 16, "n_heads": 2, "n_ctx": 8, "activation": "swiglu", "dropout": 0.1}})");
}

TEST(GradcheckCommand, ChecksWhatIsRecomputedAndDropped) {
  const Scratch scratch;
  for (const char* recompute : {"train.recompute=mlp", "train.recompute=block"}) {
    const Outcome outcome = run_kiln({"gradcheck", gradcheck_config(scratch), "--set", recompute, "--set",
                                      "model.dropout=0.2", "--set", "model.n_layers=2"});
    EXPECT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  }
}

TEST(GradcheckCommand, PrintsALineForEachTensor) {
  const Scratch scratch;
  const Outcome outcome = run_kiln({"gradcheck", gradcheck_config(scratch)});
  EXPECT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  EXPECT_THAT(outcome.out, ContainsRegex("wte.weight +8 .* ok\n"));
  EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr("FAILED")));
  EXPECT_THAT(outcome.err,
              HasSubstr("vocabulary 257; 2 sequences of up to 8 random tokens; up to 8 entries of each tensor"));
}

TEST(GradcheckCommand, ChecksPackedAndMaskedConversationsForAConfigOfThem) {
  const Scratch scratch;
  const std::string config = scratch.write("sft.json", R"({"tokenizer": {"type": "byte"}, "objective": {"type": "sft"},
    "chat": {"template": "chatml"}, "data": {"train": ["not_there.jsonl"]},
    "model": {"n_layers": 2, "d_model": 16, "n_heads": 4, "n_kv_heads": 2, "n_ctx": 32, "activation": "swiglu",
              "norm": "rmsnorm", "position": "rope", "dropout": 0.1}})");
  const Outcome outcome = run_kiln({"gradcheck", config});
  EXPECT_EQ(outcome.code, 0) << outcome.err << outcome.out;
  EXPECT_THAT(outcome.err, HasSubstr("vocabulary 259; 3 conversations of up to 8 random tokens, end to end, their "
                                     "answers alone scored; up to 8 entries of each tensor"));
  EXPECT_THAT(outcome.err, ContainsRegex("[0-9]+ tensors checked, all agree to 1e-05"));
  const nlohmann::json json = nlohmann::json::parse(run_kiln({"gradcheck", config, "--json", "--entries", "1"}).out);
  EXPECT_EQ(json["batch"], "conversations");
}

TEST(GradcheckCommand, WritesJsonAlone) {
  const Scratch scratch;
  const Outcome outcome = run_kiln({"gradcheck", gradcheck_config(scratch), "--json", "--entries", "2"});
  const nlohmann::json result = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(result["passed"], true);
  ASSERT_GT(result["tensors"].size(), 5u);
  for (const nlohmann::json& tensor : result["tensors"]) {
    EXPECT_EQ(tensor["entries"], 2) << tensor;
    EXPECT_EQ(tensor["passed"], true) << tensor;
  }
}

TEST(GradcheckCommand, ExitsOneWhereAGradientDiffers) {
  const Scratch scratch;  // weights this large overflow: NaN agrees with nothing
  const Outcome outcome = run_kiln({"gradcheck", gradcheck_config(scratch), "--set", "model.init.std=1e200"});
  EXPECT_EQ(outcome.code, 1) << outcome.err << outcome.out;
  EXPECT_THAT(outcome.out, HasSubstr("FAILED"));
  EXPECT_THAT(outcome.err, ContainsRegex("error: [0-9]+ of [0-9]+ tensors differ by more than 1e-05"));
}

TEST(GradcheckCommand, RefusesAModelLargerThanMemory) {
  const Outcome outcome = run_kiln({"gradcheck", KILN_SOURCE_DIR "/configs/gpt3_175b.json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("174,604,259,328 parameters in double needs 2.79 TB of memory"));
  EXPECT_LT(outcome.peak_bytes, (200u << 20) + testing::kSanitizerBytes);
}

}  // namespace
}  // namespace kiln
