// kiln train under mpirun: the same bytes, signals, and ranks that fail. Left out where there is no mpirun.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include "support/process.h"
#include "support/scratch.h"
#include "support/wait.h"
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::Process;
using testing::run;
using testing::SmallRun;

/// Trains with several ranks of one thread.
class RanksUnderMpi : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun >/dev/null && mpirun --version 2>/dev/null | grep -q 'Open MPI'") != 0)
      GTEST_SKIP() << "there is no Open MPI";
    for (const char* name : {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"}) ::setenv(name, "1", 1);
    if (testing::kSanitized) ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // Open MPI keeps some memory to the end
  }

  std::vector<std::string> launch(int ranks, const std::vector<std::string>& training) const {
    std::vector<std::string> command{"mpirun", "-n", std::to_string(ranks), "--oversubscribe"};
    command.insert(command.end(), training.begin(), training.end());
    for (const char* setting :
         {"train.threads=1", "train.batch_size=8", "distributed.leaves=4", "distributed.timeout=60s"}) {
      command.insert(command.end(), {"--set", setting});
    }
    return command;
  }

  /// The command line of a training in this folder.
  std::vector<std::string> training_in(const std::string& folder, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> command = testing::kiln({"train", small_.config, "--run", folder});
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  std::string weights_of(const std::string& folder) const {
    return read_file(folder + "/checkpoints/" + read_file(folder + "/checkpoints/latest").substr(0, 13) +
                     "/model.safetensors");
  }

  /// Returns the process of a rank of a training.
  static pid_t process_of_rank(int rank, const std::string& folder) {
    const auto find = [&] {
      const Outcome found =
          run({"sh", "-c",
               "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q \"^[^ ]*kiln "
               "train.*" +
                   folder +
                   "\" && tr '\\0' '\\n' < $p/environ 2>/dev/null | grep -qx "
                   "OMPI_COMM_WORLD_RANK=" +
                   std::to_string(rank) + " && basename $p; done; true"});
      return found.out.empty() ? 0 : std::stoi(found.out);
    };
    pid_t process = 0;
    testing::wait_until([&] { return (process = find()) > 0; });
    return process;
  }

  SmallRun small_;
};

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
