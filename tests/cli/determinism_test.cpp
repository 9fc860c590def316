// The same config, seed and number of threads, twice: every byte that does not speak of time is the same; where the
// config wants it, for other numbers of threads too.
#include "kiln/core/file.h"
#include "kiln/run/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/small_run.h"
#include "support/sanitized.h"
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::SmallRun;

/// What a run says of its steps, without its times.
std::string steps_of(const std::string& folder) {
  std::istringstream lines(read_file(folder + "/metrics.jsonl"));
  std::string steps;
  for (std::string line; std::getline(lines, line);) {
    nlohmann::json row = nlohmann::json::parse(line);
    row.erase("seconds");
    row.erase("tokens_per_second");
    steps += row.dump() + "\n";
  }
  return steps;
}

void expect_same_twice(const std::vector<std::string>& settings) {
  const SmallRun run;
  ASSERT_EQ(run.train(settings).code, 0);
  const std::string first = run.folder + "-first";
  fs::rename(run.folder, first);
  ASSERT_EQ(run.train(settings).code, 0);
  EXPECT_EQ(steps_of(first), steps_of(run.folder));
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(first + "/checkpoints")) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name == "trainer.json" || name == "manifest.json") continue;  // seconds
    const fs::path again = run.folder / entry.path().lexically_relative(first);
    EXPECT_TRUE(read_file(entry.path()) == read_file(again)) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 20);
}

TEST(Determinism, TheSameSeedAndThreadsGiveTheSameBytesTwice) {
  for (const char* threads : {"1", "2", "3"}) expect_same_twice({"--set", std::string("train.threads=") + threads});
}

TEST(Determinism, SoTooInBfloat16WithMuonAndWithoutTheBackgroundThread) {
  expect_same_twice({"--set", "train.precision=bf16", "--set", "optimizer.type=muon"});
  expect_same_twice({"--set", "train.async_checkpoint=false", "--set", "train.gradient_accumulation=2"});
}

/// What a run has learnt and said on the way.
struct Learnt {
  std::string weights, moments, steps;

  explicit Learnt(const std::string& folder) : steps(steps_of(folder)) {
    const fs::path latest = latest_checkpoint(fs::path(folder) / "checkpoints").value();
    weights = read_file(latest / "model.safetensors");
    moments = read_file(latest / "optimizer.safetensors");
  }
};

void expect_same(const Learnt& a, const Learnt& b, const std::string& what) {
  EXPECT_EQ(a.steps, b.steps) << what;
  EXPECT_TRUE(a.weights == b.weights) << what;
  EXPECT_TRUE(a.moments == b.moments) << what;
}

/// Trains with 1, 2 and 3 threads, evaluations included, then once more with another number after half of the way.
void expect_same_for_any_thread_count(std::vector<std::string> keys) {
  const SmallRun run;
  for (const char* key :
       {"model.n_layers=2", "model.d_model=64", "model.n_heads=4", "model.n_kv_heads=null", "model.d_head=null",
        "model.d_mlp=null", "model.n_ctx=64", "train.batch_size=64", "train.steps=6", "train.eval_every=2",
        "train.checkpoint_every=3", "train.keep_checkpoints=10"}) {
    keys.insert(keys.begin(), key);  // what the test says comes last, and holds
  }
  const auto learn = [&](const std::string& threads, std::vector<std::string> options) {
    keys.push_back("train.threads=" + threads);
    for (const std::string& key : keys) options.insert(options.end(), {"--set", key});
    keys.pop_back();
    const testing::Outcome outcome = run.train(options);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Learnt(run.folder);
  };
  if (testing::kSanitized) GTEST_SKIP() << "minutes of arithmetic, and nothing in it that the other tests do not touch";
  const Learnt one = learn("1", {});
  EXPECT_THAT(one.steps, ::testing::HasSubstr("validation_loss"));
  for (const char* threads : {"2", "3"}) expect_same(one, learn(threads, {"--overwrite"}), threads);
  fs::remove_all(latest_checkpoint(run.folder + "/checkpoints").value());
  expect_same(one, learn("2", {"--resume"}), "resumed");
}

TEST(Determinism, TheBytesOfAGpt2DoNotDependOnTheThreads) {
  expect_same_for_any_thread_count({"model.activation=gelu", "model.dropout=0.1"});
}

TEST(Determinism, TheBytesOfALlamaDoNotDependOnTheThreads) {
  expect_same_for_any_thread_count({"model.norm=rmsnorm", "model.activation=swiglu", "model.position=rope",
                                    "model.bias=false", "model.tie_embeddings=false", "model.n_kv_heads=2",
                                    "model.qk_norm=true", "model.dropout=0", "train.recompute=block"});
}

TEST(Determinism, MuonsBytesDoNotDependOnTheThreads) {
  expect_same_for_any_thread_count({"optimizer.type=muon", "train.gradient_accumulation=2"});
}

TEST(Determinism, TheBytesOfBfloat16DoNotDependOnTheThreads) {
  expect_same_for_any_thread_count({"train.precision=bf16", "model.dropout=0.1"});
  expect_same_for_any_thread_count({"train.precision=bf16", "optimizer.type=muon"});
}

}  // namespace
}  // namespace kiln
