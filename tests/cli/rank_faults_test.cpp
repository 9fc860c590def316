// Faults of one of several ranks under mpirun: disks that are full, clocks that jump, signals, deaths, pauses.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli/preloaded.h"
#include "cli/ranks_under_mpi.h"
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::failing;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::preloaded;
using testing::Process;
using testing::run;
using testing::SmallRun;

/// Runs of 20 steps, which save every 5th, and every 6th after an evaluation.
class FaultyRanks : public testing::RanksUnderMpi {
 protected:
  std::string folder(const std::string& name) const { return small_.scratch.path(name).string(); }

  /// Trains two ranks in this folder until the third save in a row fails on a full disk. The last checkpoint is that of
  /// step 6.
  void train_until_the_disk_is_full(const std::string& folder) const {
    const Outcome outcome =
        run(launch(2, preloaded(KILN_FAULTY_DISK, failing("tmp-step-000000(10|12|15)/opt", "write", ENOSPC),
                                training_in(folder))));
    EXPECT_EQ(outcome.code, 5) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("No space left on device; training continues, and kiln tries again"));
    EXPECT_THAT(outcome.err, HasSubstr("(2 of 3)"));
    EXPECT_THAT(outcome.err, HasSubstr("error: rank 0: "));
    EXPECT_THAT(outcome.err, Not(HasSubstr("rank 1: ")));
    expect_whole(folder);
    EXPECT_EQ(latest(folder), "step-00000006");
  }

  static void expect_whole(const std::string& folder) {
    const Outcome outcome = testing::run_kiln({"verify", folder});
    EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  }

  /// Resumes with so many ranks, and expects the bytes of a training that nothing disturbed.
  void expect_to_resume_as_undisturbed(const std::string& folder, int ranks) const {
    const std::string undisturbed = this->folder("undisturbed");
    ASSERT_EQ(run(launch(1, training_in(undisturbed))).code, 0);
    const Outcome outcome = run(launch(ranks, training_in(folder, {"--resume"})));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(latest(folder), "step-00000020");
    for (const char* file : {"model.safetensors", "optimizer.safetensors"})
      EXPECT_TRUE(file_of_latest(folder, file) == file_of_latest(undisturbed, file)) << file;
    expect_whole(folder);
  }
};

TEST_F(FaultyRanks, OutliveADiskOfTheRootThatIsFullForAWhile) {
  const Outcome outcome = run(launch(
      2, preloaded(KILN_FAULTY_DISK, failing("tmp-step-000000(05|06)/opt", "write", ENOSPC), small_.training())));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("(2 of 3)"));
  expect_to_resume_as_undisturbed(small_.folder, 1);
}

TEST_F(FaultyRanks, EndTogetherWhenTheDiskOfTheRootStaysFullAndResume) {
  train_until_the_disk_is_full(small_.folder);
  expect_to_resume_as_undisturbed(small_.folder, 2);
}

/// A rank whose machine has its own disk makes its own tokens there.
TEST_F(FaultyRanks, EndTogetherWhenTheDiskOfAnotherThanTheRootIsFull) {
  train_until_the_disk_is_full(small_.folder);
  const std::string other = folder("other");
  fs::copy(small_.folder, other, fs::copy_options::recursive);
  fs::remove_all(other + "/tokens");
  const std::vector<std::string> faulty =
      preloaded(KILN_FAULTY_DISK, failing("/other/tokens/", "write", ENOSPC), training_in(other, {"--resume"}));
  const Outcome outcome = run(launch_each({small_.training({"--resume"}), faulty}));
  EXPECT_EQ(outcome.code, 5) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("error: rank 1: "));
  EXPECT_THAT(outcome.err, HasSubstr("No space left on device"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("rank 0: ")));
  EXPECT_EQ(latest(small_.folder), "step-00000006");
  expect_to_resume_as_undisturbed(small_.folder, 1);
}

TEST_F(FaultyRanks, EndTogetherWhenTheTokensOfOneAreCutShortWhileItTrains) {
  const std::string other = folder("other");
  Process training(launch_each({small_.training(SmallRun::kEndless), training_in(other, SmallRun::kEndless)}));
  ASSERT_TRUE(training.wait_for_error_text("step ")) << training.finish().err;
  for (const auto& tokens : fs::directory_iterator(other + "/tokens")) {
    if (tokens.path().extension() == ".bin") fs::resize_file(tokens.path(), 0);
  }
  const Outcome outcome = training.finish();
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("error: rank 1: " + other + "/tokens/train-"));
  EXPECT_THAT(outcome.err, HasSubstr("cannot be read any more"));
  expect_whole(small_.folder);
}

TEST_F(FaultyRanks, KeepTheirTimeBudgetWhenTheClockOfOneOfThemJumps) {
  for (const std::size_t rank : {0u, 1u}) {
    std::vector<std::vector<std::string>> trainings(
        2, training_in(folder(std::to_string(rank)), {"--set", "train.steps=null", "--set", "train.time_budget=1.5s"}));
    trainings[rank] = preloaded(KILN_JUMPING_CLOCK, {}, trainings[rank]);
    const Outcome outcome = run(launch_each(trainings));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    testing::expect_steady_times(folder(std::to_string(rank)), [](const nlohmann::json& row) {
      EXPECT_GE(row["ranks/waiting"].get<double>(), 0);
      EXPECT_LE(row["ranks/waiting"].get<double>(), 1);
    });
    expect_whole(folder(std::to_string(rank)));
  }
}

TEST_F(FaultyRanks, StopTogetherWithinAnEvaluationAtASignalToOneOfThemAndResumeOnFewer) {
  const std::string held_out = small_.scratch.write("held_out.txt", testing::counting_text(100'000));
  const std::vector<std::string> large{"--set", "model.d_model=320",        "--set", "model.n_layers=4",
                                       "--set", "train.checkpoint_every=0", "--set", "data.validation=" + held_out};
  std::vector<std::string> command = small_.training(large);
  command.insert(command.end(), {"--set", "train.eval_every=3", "--set", "train.eval_tokens=all"});  // takes minutes
  Process training(launch(2, command));
  ASSERT_TRUE(training.wait_for_error_text("step  2/20")) << training.finish().err;
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // by now the evaluation has begun
  ::kill(process_of_rank(1, small_.folder), SIGUSR1);
  const Outcome outcome = training.finish();
  EXPECT_EQ(outcome.code, 128 + SIGUSR1) << outcome.err;
  EXPECT_THAT(outcome.err, Not(HasSubstr("validation loss")));
  EXPECT_EQ(latest(small_.folder), "step-00000003");
  expect_whole(small_.folder);
  const auto is_pending = [&] {
    return nlohmann::json::parse(file_of_latest(small_.folder, "trainer.json"))["evaluation_pending"].get<bool>();
  };
  EXPECT_TRUE(is_pending());
  const Outcome resumed = run(launch(1, testing::kiln({"train", small_.folder, "--resume", "--set", "train.steps=4",
                                                       "--set", "train.eval_tokens=1000"})));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("step 3: validation loss"));
  EXPECT_FALSE(is_pending());
}

TEST_F(FaultyRanks, KeepTheLastCheckpointWhenOneDiesWhileTheRootSavesAndResumeOnFewer) {
  const std::string saving = small_.folder + "/checkpoints/.tmp-step-00000010";
  Process training(launch(2, preloaded(KILN_FAULTY_DISK, testing::slow("tmp-step-00000010", 500), small_.training())));
  ASSERT_TRUE(testing::wait_until([&] { return fs::exists(saving); }));
  ::kill(process_of_rank(1, small_.folder), SIGKILL);
  const Outcome outcome = training.finish();
  EXPECT_NE(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("rank 1"));
  EXPECT_EQ(latest(small_.folder), "step-00000006");
  expect_whole(small_.folder);
  expect_to_resume_as_undisturbed(small_.folder, 1);
}

TEST_F(FaultyRanks, GoOnAfterAPauseOfAllThatIsLongerThanTheTimeout) {
  std::vector<std::string> command = launch(2, small_.training(SmallRun::kEndless));
  command.back() = "distributed.timeout=1s";
  Process training(command);
  ASSERT_TRUE(training.wait_for_error_text("step "));
  const std::vector<pid_t> processes{process_of_rank(0, small_.folder), process_of_rank(1, small_.folder)};
  for (const pid_t process : processes) ::kill(process, SIGSTOP);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  for (const pid_t process : processes) ::kill(process, SIGCONT);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // what has waited too long ends now
  ::kill(processes.back(), SIGUSR1);
  const Outcome outcome = training.finish();
  EXPECT_EQ(outcome.code, 128 + SIGUSR1) << outcome.err;
}

}  // namespace
}  // namespace kiln
