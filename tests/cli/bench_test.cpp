// kiln bench: the keys that scripts rely on, and parts that add up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/scratch.h"
#include <string>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;

std::string bench_config(const testing::Scratch& scratch) {
  scratch.write("text.txt", std::string(20, 'a') + "bench reads this text " + std::string(2000, 'b'));
  return scratch.write("tiny.json",
                       R"({"tokenizer": {"type": "byte", "special_tokens": []}, "data": {"train": ["text.txt"]},
    "model": {"n_layers": 1, "d_model": 16, "n_heads": 2, "n_ctx": 8}, "train": {"batch_size": 2}})");
}

TEST(BenchCommand, ReportsStepsPartsAndUseAsJson) {
  const testing::Scratch scratch;
  for (const std::string precision : {"fp32", "bf16"}) {
    const Outcome outcome =
        run_kiln({"bench", bench_config(scratch), "--steps", "3", "--set", "train.precision=" + precision, "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const nlohmann::json report = nlohmann::json::parse(outcome.out);
    EXPECT_EQ(report["precision"], precision);
    EXPECT_GE(report["steps"].get<int>(), 3);
    for (const char* key : {"ms_per_step", "tokens_per_second", "gflops", "percent_of_peak", "peak_memory_bytes",
                            "prompt_tokens_per_second", "decode_tokens_per_second", "tokenizer_bytes_per_second"}) {
      EXPECT_GT(report[key].get<double>(), 0) << key;
    }
    EXPECT_NEAR(report["tokens_per_second"].get<double>() * report["ms_per_step"].get<double>() / 1000, 16, 1e-6);
    for (const char* part :
         {"data", "embedding", "norm", "matmul qkv", "attention", "matmul attention projection", "matmul mlp up",
          "activation", "matmul mlp down", "matmul unembedding", "loss", "optimizer", "other"}) {
      EXPECT_TRUE(report["parts"].contains(part)) << part;
    }
    EXPECT_GT(report["machine"]["fp32_gflops"].get<double>(), 0);
    ASSERT_TRUE(report["waited_share"].is_number());
    EXPECT_EQ(report["busy"].get<bool>(), report["waited_share"].get<double>() >= 0.1);
  }
}

TEST(BenchCommand, PrintsATableAndDoesWithoutTheText) {
  const testing::Scratch scratch;
  const Outcome outcome =
      run_kiln({"bench", bench_config(scratch), "--steps", "1", "--set", "data.train=[\"gone.txt\"]"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("% of peak"));
  EXPECT_THAT(outcome.out, HasSubstr("data.train holds no text here"));
}

TEST(BenchCommand, RefusesAModelBeyondMemory) {
  const Outcome outcome = run_kiln({"bench", KILN_SOURCE_DIR "/configs/gpt3_175b.json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("of memory"));
}

}  // namespace
}  // namespace kiln
