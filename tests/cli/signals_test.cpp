// Signals as a user, a shell or timeout(1) sends them: training stops at the end of its step, and is saved.
#include "kiln/core/file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/on_terminal.h"
#include "cli/small_run.h"
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::OnTerminal;
using testing::Outcome;
using testing::Process;
using testing::SmallRun;

void expect_saved_on(int signal) {
  const SmallRun run;
  Process training(run.training(SmallRun::kEndless));
  ASSERT_TRUE(training.wait_for_error_text("step "));
  training.send(signal);
  const Outcome outcome = training.finish();
  EXPECT_EQ(outcome.code, 128 + signal) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("continue with --resume"));
  EXPECT_THAT(outcome.err, HasSubstr(fmt::format("to continue:\n  kiln train {} --resume\n", run.folder)));
  const std::int64_t stopped = run.latest_step();
  EXPECT_GT(stopped, 0);
  const Outcome resumed = run.train({"--resume", "--set", "train.steps=" + std::to_string(stopped + 2)});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming at step " + std::to_string(stopped)));
  EXPECT_EQ(run.latest_step(), stopped + 2);
}

TEST(Faults, SigtermSavesAndExits143) { expect_saved_on(SIGTERM); }
TEST(Faults, SigintSavesAndExits130) { expect_saved_on(SIGINT); }
TEST(Faults, SighupSavesAndExits129) { expect_saved_on(SIGHUP); }

// On a model of any size an evaluation of all held-out text may last minutes.
TEST(Faults, ASignalWithinAnEvaluationIsAnsweredAtOnceAndEndsIt) {
  const SmallRun run;
  const std::string held_out = run.scratch.write("held_out.txt", testing::counting_text(1'000'000));
  std::vector<std::string> command =
      run.training({"--set", "data.validation=" + held_out, "--set", "train.eval_every=3", "--set",
                    "train.eval_tokens=all", "--set", "train.checkpoint_every=0"});
  // The evaluation then takes 10^13 operations: many seconds on any machine.
  command.insert(command.end(), {"--set", "model.d_model=320", "--set", "model.n_layers=4"});
  Process training(command);
  ASSERT_TRUE(training.wait_for_error_text("step  2/20"));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // by now the evaluation has begun
  training.send(SIGINT);
  ASSERT_TRUE(training.wait_for_error_text(
      "Ctrl-C: step 3 is saved first, without its evaluation, which --resume repeats; a second Ctrl-C ends at "
      "once and loses the 3 steps since step 0"));
  const Outcome outcome = training.finish();
  EXPECT_EQ(outcome.code, 130) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("stopped by SIGINT after step 3; continue with --resume"));
  EXPECT_EQ(run.latest_step(), 3);
  EXPECT_NE(outcome.err.find("Ctrl-C: "), outcome.err.rfind("stopped by")) << outcome.err;
}

TEST(Faults, ASignalWithinAStepIsAnsweredBeforeTheStepIsOver) {
  for (const bool quiet : {false, true}) {
    const SmallRun run;
    std::vector<std::string> command = run.training(SmallRun::kEndless);
    command.insert(command.end(), {"--set", "train.gradient_accumulation=10000000"});  // minutes
    if (quiet) command.emplace_back("--quiet");
    Process training(command);
    const std::string first = run.folder + "/checkpoints/latest";
    ASSERT_TRUE(testing::wait_until([&] { return std::filesystem::exists(first); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    training.send(SIGINT);
    ASSERT_TRUE(
        training.wait_for_error_text("Ctrl-C: step 1 is finished and saved first; a second Ctrl-C ends at once"));
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    training.send(SIGINT);
    EXPECT_EQ(training.finish().code, 130);
    EXPECT_EQ(run.latest_step(), 0);
  }
}

// timeout(1) stops its child, then the group that both are in; a shell hangs up, then the system does.
TEST(Faults, ASignalSentTwiceAtOnceStillSaves) {
  for (const int signal : {SIGTERM, SIGHUP}) {
    const SmallRun run;
    Process training(run.training(SmallRun::kEndless));
    ASSERT_TRUE(training.wait_for_error_text("step "));
    training.send(signal);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    training.send(signal);
    EXPECT_EQ(training.finish().code, 128 + signal);
    EXPECT_GT(run.latest_step(), 0);
  }
}

// A handler would run on the stack of a thread that computes, in kernels that may use memory beyond its end.
TEST(Faults, NoThreadThatComputesIsInterruptedByASignal) {
  const SmallRun run;
  std::vector<std::string> command = run.training(SmallRun::kEndless);
  command.insert(command.end(), {"--set", "train.threads=3"});
  Process training(command);
  ASSERT_TRUE(training.wait_for_error_text("step "));
  int blocking = 0, waiting = 0;
  for (const auto& task : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", training.id()))) {
    const std::string status = read_file(task.path() / "status");
    const std::size_t blocked = status.find("SigBlk:\t");
    ASSERT_NE(blocked, std::string::npos);
    const std::uint64_t mask = std::stoull(status.substr(blocked + 8), nullptr, 16);
    int blocked_signals = 0;
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) blocked_signals += (mask >> (signal - 1) & 1) != 0 ? 1 : 0;
    (blocked_signals == 3 ? blocking : waiting) += 1;
  }
  EXPECT_EQ(waiting, 1);
  EXPECT_GE(blocking, 3);
}

TEST(Faults, ATerminalThatGoesAwaySavesAndExits129) {
  const SmallRun run;
  std::vector<std::string> command = run.training(SmallRun::kEndless);
  command.insert(command.end(), {"--set", "train.log_every=1", "--set", "train.checkpoint_every=0"});
  OnTerminal training(command);
  ASSERT_TRUE(training.wait_for(" 3/100000000"));
  EXPECT_EQ(training.hang_up(), 129);
  EXPECT_GE(run.latest_step(), 3);
}

TEST(Faults, UnderNohupAHangUpStopsNothing) {
  const SmallRun run;
  std::string line = "trap '' HUP; exec";
  for (const std::string& word : run.training(SmallRun::kEndless)) line += " '" + word + "'";
  Process training({"sh", "-c", line});
  ASSERT_TRUE(training.wait_for_error_text("step "));
  training.send(SIGHUP);
  training.send(SIGTERM);
  EXPECT_EQ(training.finish().code, 143);
}

}  // namespace
}  // namespace kiln
