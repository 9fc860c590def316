// kiln train under mpirun: the same bytes, signals, and ranks that fail. Left out where there is no mpirun.
#include "kiln/core/file.h"

#include <gmock/gmock.h>

#include "cli/ranks_under_mpi.h"
#include <csignal>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::Process;
using testing::RanksUnderMpi;
using testing::run;
using testing::SmallRun;

TEST_F(RanksUnderMpi, GiveTheBytesOfOneProcess) {
  const std::string whole = small_.scratch.path("alone").string();
  const Outcome alone = run(launch(1, training_in(whole)));
  ASSERT_EQ(alone.code, 0) << alone.err;
  for (const int ranks : {2, 4}) {
    const std::string folder = small_.scratch.path(std::to_string(ranks)).string();
    const Outcome together = run(launch(ranks, training_in(folder)));
    ASSERT_EQ(together.code, 0) << together.err;
    EXPECT_THAT(together.err, HasSubstr(std::to_string(ranks) + " ranks of 1 thread each"));
    EXPECT_THAT(together.err, HasSubstr("waits "));
    EXPECT_EQ(weights_of(folder), weights_of(whole));
  }
}

TEST_F(RanksUnderMpi, StopTogetherAtASignalToAnyOfThemAndResume) {
  for (const int rank : {0, 1}) {
    const std::string folder = small_.scratch.path("run" + std::to_string(rank)).string();
    Process training(launch(2, training_in(folder, SmallRun::kEndless)));
    ASSERT_TRUE(training.wait_for_error_text("step ")) << training.finish().err;
    ::kill(process_of_rank(rank, folder), SIGUSR1);
    const Outcome outcome = training.finish();
    EXPECT_EQ(outcome.code, 128 + SIGUSR1) << outcome.err;
    EXPECT_EQ(testing::run_kiln({"verify", folder}).code, 0);
    const auto latest = std::stoll(read_file(folder + "/checkpoints/latest").substr(5));
    EXPECT_GT(latest, 0);
    const Outcome resumed = run(
        launch(4, testing::kiln({"train", folder, "--resume", "--set", "train.steps=" + std::to_string(latest + 2)})));
    EXPECT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(std::stoll(read_file(folder + "/checkpoints/latest").substr(5)), latest + 2);
  }
}

TEST_F(RanksUnderMpi, ReportAnErrorOnceAndEndTogether) {
  const Outcome outcome = run(launch(3, small_.training({"--set", "data.train=[\"missing.txt\"]"})));
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("error: rank 0: "));
  EXPECT_THAT(outcome.err, Not(HasSubstr("rank 1: ")));
  EXPECT_THAT(outcome.err, Not(HasSubstr("rank 2: ")));
  const Outcome misspelt = run(launch(2, testing::kiln({"train", "--rnu"})));
  EXPECT_EQ(misspelt.code, 2);
  EXPECT_THAT(misspelt.err, HasSubstr("error: rank 0: unknown option --rnu"));
  EXPECT_THAT(misspelt.err, Not(HasSubstr("rank 1: ")));
}

TEST_F(RanksUnderMpi, EndWhenOneOfThemHangsAndNameIt) {
  std::vector<std::string> endless = SmallRun::kEndless;
  endless.insert(endless.end(), {"--set", "train.checkpoint_every=50"});
  std::vector<std::string> command = launch(2, small_.training(endless));
  command.back() = "distributed.timeout=2s";
  Process training(command);
  ASSERT_TRUE(training.wait_for_error_text("step "));
  ::kill(process_of_rank(1, small_.folder), SIGSTOP);
  const Outcome outcome = training.finish();
  EXPECT_EQ(outcome.code, 6) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("error: rank 0: has waited 2 s for rank 1"));
  EXPECT_EQ(testing::run_kiln({"verify", small_.folder}).code, 0);
}

TEST_F(RanksUnderMpi, EndWhenOneOfThemDies) {
  Process training(launch(2, small_.training(SmallRun::kEndless)));
  ASSERT_TRUE(training.wait_for_error_text("step "));
  ::kill(process_of_rank(1, small_.folder), SIGKILL);
  const Outcome outcome = training.finish();
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("rank 1"));
  const Outcome resumed = run(small_.training({"--resume", "--set", "train.steps=3"}));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
}

}  // namespace
}  // namespace kiln
