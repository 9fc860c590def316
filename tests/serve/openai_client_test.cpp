// OpenAI's own client (npm) on a whole server.
#include "serve/served_runs.h"
#include "support/process.h"
#include <filesystem>
#include <string>

namespace kiln {
namespace {

using testing::save_run;
using testing::Scratch;
using testing::TestServer;

/// Runs tests/oracles/check_openai.mjs; skips the test where node or the package is missing.
void expect_agreement(const std::string& key) {
  constexpr int kNotFound = 127, kNothingToRunWith = 77;
  const Scratch scratch;
  const TestServer server({save_run(scratch, "small")}, {}, {.access = {.key = key}});
  const std::filesystem::path script = std::filesystem::path(KILN_SOURCE_DIR) / "tests/oracles/check_openai.mjs";
  const std::string address = "http://127.0.0.1:" + std::to_string(server.port());
  std::vector<std::string> command{"node", script.string(), address};
  if (!key.empty()) command.push_back(key);
  const testing::Outcome outcome = testing::run(command, "");
  if (outcome.code == kNotFound) GTEST_SKIP() << "node is not installed; completions_test stands in";
  if (outcome.code == kNothingToRunWith) GTEST_SKIP() << outcome.err;
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "6 checks agree\n");
}

TEST(OpenAiClient, UnderstandsTheServer) { expect_agreement(""); }

TEST(OpenAiClient, SendsAKey) { expect_agreement("open-sesame"); }

}  // namespace
}  // namespace kiln
