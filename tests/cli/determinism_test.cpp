// The same config, seed and number of threads, twice: every byte that does not speak of time is the same.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/small_run.h"
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

}  // namespace
}  // namespace kiln
