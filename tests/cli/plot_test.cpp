// kiln plot, as it is called.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch.h"
#include <cstdio>
#include <string>
#include <sys/wait.h>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Scratch;
using ::testing::StartsWith;

struct Outcome {
  int code;
  std::string output;  // stdout and stderr
};

/// Runs `kiln plot RUN` in an 80-column world.
Outcome plot(const std::string& run, const std::string& environment = "COLUMNS=80") {
  const std::string command = environment + " " KILN_BINARY " plot '" + run + "' 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  Outcome outcome{-1, ""};
  char buffer[4096];
  while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) outcome.output.append(buffer, count);
  outcome.code = WEXITSTATUS(::pclose(pipe));
  return outcome;
}

constexpr const char* kRows =
    R"({"step":0,"tokens":0,"seconds":0,"loss":null,"learning_rate":null,"grad_norm":null,"tokens_per_second":null,"validation_loss":4.2})"
    "\n"
    R"({"step":10,"tokens":7680,"seconds":1,"loss":2.5,"learning_rate":0.001,"grad_norm":1,"tokens_per_second":768,"validation_loss":2.75})"
    "\n";

TEST(PlotCommand, DrawsInTheTerminalAndIntoTheRun) {
  const Scratch scratch;
  scratch.write("runs/tales/checkpoints/latest", "step-00000000");
  scratch.write("runs/tales/metrics.jsonl", kRows);
  const std::string run = scratch.path("runs/tales").string();
  const Outcome outcome = plot(run + "/");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, StartsWith("tales (10 steps, 7,680 tokens)\n"));
  EXPECT_THAT(outcome.output, HasSubstr("★ best 2.7500 at step 10\n"));
  EXPECT_THAT(outcome.output, HasSubstr("drawn in " + run));
  EXPECT_THAT(outcome.output, Not(HasSubstr("\033[")));  // a pipe is no terminal
  EXPECT_THAT(read_file(run + "/loss.svg"), HasSubstr("<title>tales</title>"));
}

TEST(PlotCommand, SaysWhatIsMissing) {
  const Scratch scratch;
  Outcome outcome = plot(scratch.path("nowhere").string());
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("nowhere: is not a run directory; name one that kiln train has made"));
  scratch.write("run/checkpoints/latest", "step-00000000");
  outcome = plot(scratch.path("run").string());
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("metrics.jsonl: holds no losses yet"));
  EXPECT_FALSE(std::filesystem::exists(scratch.path("run/loss.svg")));
}

}  // namespace
}  // namespace kiln
