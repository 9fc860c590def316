// The line on a terminal that says how far a training is: soon, often, and nowhere else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/on_terminal.h"
#include "cli/small_run.h"
#include <chrono>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::OnTerminal;
using testing::SmallRun;

std::vector<std::string> training(const SmallRun& run, const std::vector<std::string>& more) {
  std::vector<std::string> command = run.training(SmallRun::kEndless);
  command.insert(command.end(), {"--set", "train.log_every=1000000"});
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

TEST(LiveLine, IsThereLongBeforeTheFirstLogRow) {
  const SmallRun run;
  OnTerminal terminal(training(run, {}));
  ASSERT_TRUE(terminal.wait_for("step"));
  ASSERT_TRUE(terminal.wait_for("/100000000  loss "));
  ASSERT_TRUE(terminal.wait_for(" tokens/s  ETA "));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(terminal.wait_for("\r\033[K"));  // it is updated
}

TEST(LiveLine, GoesOnWithinALongStep) {
  const SmallRun run;
  OnTerminal terminal(training(run, {"--set", "train.gradient_accumulation=1000000"}));
  ASSERT_TRUE(terminal.wait_for("step         0/100000000"));
  ASSERT_TRUE(terminal.wait_for("step 1: 1 s"));
  ASSERT_TRUE(terminal.wait_for("step 1: 2 s"));
}

TEST(LiveLine, TellsHowFarAnEvaluationIs) {
  const SmallRun run;
  const std::string held_out = run.scratch.write("held_out.txt", testing::counting_text(200'000));
  OnTerminal terminal(training(
      run, {"--set", "data.validation=" + held_out, "--set", "train.eval_every=1", "--set", "train.eval_tokens=all"}));
  ASSERT_TRUE(terminal.wait_for("step         1/100000000  loss "));
  ASSERT_TRUE(terminal.wait_for("evaluating "));
}

TEST(LiveLine, IsForATerminalAlone) {
  const SmallRun run;
  testing::Process elsewhere(training(run, {}));
  ASSERT_TRUE(testing::wait_until([&] { return std::filesystem::exists(run.folder + "/checkpoints/latest"); }));
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  elsewhere.send(SIGTERM);
  const testing::Outcome outcome = elsewhere.finish();
  EXPECT_THAT(outcome.err, Not(HasSubstr("tokens/s")));
  EXPECT_THAT(outcome.err, Not(HasSubstr("\033")));
}

TEST(LiveLine, IsLeftOutWhereItIsNotWanted) {
  for (const char* flag : {"--quiet", "--json"}) {
    const SmallRun run;
    std::vector<std::string> command =
        run.training({"--set", "train.log_every=0", "--set", "train.eval_every=0", flag});
    command.insert(command.end(), {"--set", "train.time_budget=2s"});
    OnTerminal terminal(command);
    const std::string& seen = terminal.all();
    EXPECT_THAT(seen, Not(HasSubstr("tokens/s"))) << flag;
    EXPECT_THAT(seen, Not(HasSubstr("ETA"))) << flag;
  }
}

}  // namespace
}  // namespace kiln
