// Saving, pointing, pruning, finding again, and what every kind of failure leaves behind.
#include "kiln/run/checkpoint_store.h"

#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/file_size_limit.h"
#include "support/log_capture.h"
#include "support/scratch.h"
#include "support/small_checkpoint.h"
#include <sys/wait.h>
#include <thread>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using testing::expect_error_with;
using testing::expect_same;
using testing::FileSizeLimit;
using ::testing::HasSubstr;
using testing::LogCapture;
using testing::Scratch;
using testing::SmallTraining;

class CheckpointStore : public ::testing::Test {
 protected:
  fs::path save(std::int64_t step, bool is_best = false, std::int64_t keep = 100) {
    return save_checkpoint(folder_, training_.contents(step), is_best, keep);
  }

  std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> found;
    for (const SavedCheckpoint& saved : list_checkpoints(folder_)) found.push_back(saved.step);
    return found;
  }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path().filename().string());
    std::ranges::sort(found);
    return found;
  }

  Scratch scratch_;
  fs::path folder_ = scratch_.path("run/checkpoints");
  SmallTraining training_;
};

TEST_F(CheckpointStore, SavesAndPoints) {
  EXPECT_EQ(save(0), folder_ / "step-00000000");
  EXPECT_EQ(save(500, true), folder_ / "step-00000500");
  EXPECT_EQ(save(1000), folder_ / "step-00001000");
  EXPECT_EQ(read_file(folder_ / "latest"), "step-00001000\n");
  EXPECT_EQ(read_file(folder_ / "best"), "step-00000500\n");
  EXPECT_EQ(latest_checkpoint(folder_), folder_ / "step-00001000");
  EXPECT_EQ(best_checkpoint(folder_), folder_ / "step-00000500");
  EXPECT_EQ(checkpoint_to_resume(folder_), folder_ / "step-00001000");
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step-00000000", "step-00000500", "step-00001000"));
  for (const SavedCheckpoint& saved : list_checkpoints(folder_)) verify_checkpoint(saved.folder);
}

TEST_F(CheckpointStore, WithoutCheckpointsThereIsNone) {
  EXPECT_EQ(latest_checkpoint(folder_), std::nullopt);
  EXPECT_EQ(best_checkpoint(folder_), std::nullopt);
  EXPECT_EQ(checkpoint_to_resume(folder_), std::nullopt);
  EXPECT_TRUE(list_checkpoints(folder_).empty());
}

TEST_F(CheckpointStore, PruningDoesNotCountStepZeroBestAndLatest) {
  save(0);
  save(10, true);
  for (const std::int64_t step : {20, 30, 40, 50}) save(step, false, 2);
  EXPECT_THAT(steps(), ElementsAre(0, 10, 30, 40, 50));  // 50 is latest, 10 best
  save(60, true, 2);
  EXPECT_THAT(steps(), ElementsAre(0, 40, 50, 60));  // 10 is best no more
  save(70, false, 0);
  EXPECT_THAT(steps(), ElementsAre(0, 60, 70));
}

TEST_F(CheckpointStore, ACheckpointOfTheSameStepIsReplaced) {
  save(10);
  SmallTraining other(testing::small_gpt2(), 5);
  save_checkpoint(folder_, other.contents(10), false, 3);
  EXPECT_THAT(names(), ElementsAre("latest", "step-00000010"));
  verify_checkpoint(folder_ / "step-00000010");
  read_huggingface_weights(folder_ / "step-00000010", other.config.model, training_.small.weights);
  expect_same(training_.small.weights, other.small.weights);
}

TEST_F(CheckpointStore, ALatestThatDanglesOrIsEmptyMeansAScanAndAWarning) {
  save(10);
  save(20);
  fs::create_directory(folder_ / "step-00000030");  // not finished: it has no manifest
  for (const char* content : {"step-00000099\n", "", "../../elsewhere\n", "step-00000030\n"}) {
    write_file_synced(folder_ / "latest", content);
    const LogCapture log;
    EXPECT_EQ(latest_checkpoint(folder_), folder_ / "step-00000020") << content;
    EXPECT_THAT(log.text(), HasSubstr("latest: names no checkpoint; using the newest one: step-00000020"));
  }
  fs::remove(folder_ / "latest");
  const LogCapture log;
  EXPECT_EQ(latest_checkpoint(folder_), folder_ / "step-00000020");
  EXPECT_THAT(log.text(), HasSubstr("warning: "));
}

TEST_F(CheckpointStore, ABestThatDanglesIsNoneAndAWarning) {
  save(10, true);
  write_file_synced(folder_ / "best", "step-00000011\n");
  const LogCapture log;
  EXPECT_EQ(best_checkpoint(folder_), std::nullopt);
  EXPECT_THAT(log.text(), HasSubstr("best: names no checkpoint"));
}

/// What `latest` points to is resumed, also where a newer folder is left, as the best of a diverged run is.
TEST_F(CheckpointStore, ResumesWhatLatestPointsTo) {
  for (const std::int64_t step : {10, 20, 30}) save(step);
  write_file_synced(folder_ / "latest", "step-00000020\n");
  EXPECT_EQ(checkpoint_to_resume(folder_), folder_ / "step-00000020");
  fs::remove(folder_ / "step-00000020/trainer.json");
  const LogCapture log;
  EXPECT_EQ(checkpoint_to_resume(folder_), folder_ / "step-00000030");
}

TEST_F(CheckpointStore, ForgetsAllFromAStepOnButTheBest) {
  for (const std::int64_t step : {0, 10, 20}) save(step);
  save(30, true);
  save(35);
  EXPECT_EQ(forget_checkpoints(folder_, 20), 10);
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step-00000000", "step-00000010", "step-00000030"));
  EXPECT_EQ(best_checkpoint(folder_), folder_ / "step-00000030");
  EXPECT_EQ(checkpoint_to_resume(folder_), folder_ / "step-00000010");
}

TEST_F(CheckpointStore, ForgetsNoneWhereNoneIsBefore) {
  EXPECT_EQ(forget_checkpoints(folder_, 0), std::nullopt);
  save(10);
  save(20);
  EXPECT_EQ(forget_checkpoints(folder_, 10), 20);
  EXPECT_THAT(steps(), ElementsAre(10, 20));
}

/// --resume falls back.
TEST_F(CheckpointStore, DamagedOnesArePassedOverWithAWarningEach) {
  for (const std::int64_t step : {10, 20, 30}) save(step);
  fs::resize_file(folder_ / "step-00000030/model.safetensors", 100);
  fs::remove(folder_ / "step-00000020/manifest.json");
  const LogCapture log;
  EXPECT_EQ(checkpoint_to_resume(folder_), folder_ / "step-00000010");
  EXPECT_THAT(log.text(), HasSubstr("warning: step-00000030 is skipped: "));
  EXPECT_THAT(log.text(), HasSubstr("model.safetensors: has 100 bytes"));
  EXPECT_THAT(log.text(), HasSubstr("warning: step-00000020 is skipped: "));
}

TEST_F(CheckpointStore, WhereAllAreDamagedTheRunIsNotBegunAgainUnasked) {
  save(10);
  fs::remove(folder_ / "step-00000010/trainer.json");
  const LogCapture log;
  expect_error_with(ExitCode::bad_input, {"the only checkpoint is not intact; start again with --overwrite"},
                    [&] { checkpoint_to_resume(folder_); });
}

TEST_F(CheckpointStore, ANewerOneIsNotPassedOver) {
  save(10);
  save(20);
  write_file_synced(folder_ / "step-00000020/manifest.json", R"({"format_version": 2})");
  EXPECT_THROW(checkpoint_to_resume(folder_), NewerFormatError);
}

TEST_F(CheckpointStore, TemporariesOfACrashAreIgnoredAndCleaned) {
  save(10);
  scratch_.write("run/checkpoints/.tmp-step-00000015/model.safetensors", "half");
  EXPECT_THAT(steps(), ElementsAre(10));
  EXPECT_EQ(checkpoint_to_resume(folder_), folder_ / "step-00000010");
  save(20);
  EXPECT_THAT(names(), ElementsAre("latest", "step-00000010", "step-00000020"));
}

TEST_F(CheckpointStore, AFullDiskKeepsTheOldAndRemovesTheTemporary) {
  save(10, true);
  for (const rlim_t limit : {rlim_t{10}, rlim_t{1000}, rlim_t{12'000}}) {
    const FileSizeLimit full(limit);
    expect_error_with(ExitCode::io, {"cannot be written: File too large"}, [&] { save(20, true); });
  }
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step-00000010"));
  EXPECT_EQ(latest_checkpoint(folder_), folder_ / "step-00000010");
  verify_checkpoint(folder_ / "step-00000010");
  save(20);
  EXPECT_EQ(latest_checkpoint(folder_), folder_ / "step-00000020");
}

TEST_F(CheckpointStore, RecoveringPutsRightWhatACrashLeft) {
  for (const std::int64_t step : {10, 20, 30}) save(step, step == 10);
  scratch_.write("run/checkpoints/.tmp-step-00000040/model.safetensors", "half");
  scratch_.write("run/checkpoints/.tmp-old-step-00000005/model.safetensors", "half");
  write_file_synced(folder_ / "latest", "step-00000010\n");  // the crash came before it was moved, and before best was
  recover(folder_, folder_ / "step-00000030", 20, 100);
  EXPECT_EQ(read_file(folder_ / "latest"), "step-00000030\n");
  EXPECT_EQ(read_file(folder_ / "best"), "step-00000020\n");
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step-00000010", "step-00000020", "step-00000030"));
  recover(folder_, folder_ / "step-00000020", 15, 100);  // where that of the best step is gone, best says what it said
  EXPECT_EQ(read_file(folder_ / "latest"), "step-00000020\n");
  EXPECT_EQ(read_file(folder_ / "best"), "step-00000020\n");
  fs::remove(folder_ / "best");
  recover(folder_, folder_ / "step-00000020", std::nullopt, 1);
  EXPECT_FALSE(fs::exists(folder_ / "best"));
  EXPECT_THAT(steps(), ElementsAre(20, 30));
}

TEST_F(CheckpointStore, AFolderThatCannotBeMadeIsAnErrorOfInputAndOutput) {
  scratch_.write("run", "a file");
  expect_error_with(ExitCode::io, {"cannot be made"}, [&] { save(0); });
}

/// A process that saves without end is killed at some instant; the newest valid checkpoint is one that it said
/// was saved, or a later one.
TEST_F(CheckpointStore, AKillAtAnyInstantLeavesTheLastCheckpoint) {
  save(0);
  for (int round = 0; round < 12; ++round) {
    int channel[2];
    ASSERT_EQ(::pipe(channel), 0);
    const std::int64_t first = checkpoint_to_resume(folder_) ? steps().back() + 1 : 0;
    const pid_t child = ::fork();
    if (child == 0) {
      for (std::int64_t step = first;; ++step) {
        save(step, step % 3 == 0, 2);
        if (::write(channel[1], &step, sizeof(step)) < 0) ::_exit(1);
      }
    }
    ::close(channel[1]);
    std::int64_t saved = -1, step = 0;
    EXPECT_EQ(::read(channel[0], &saved, sizeof(saved)), ssize_t{sizeof(saved)});
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(channel[0], &step, sizeof(step)) == sizeof(step)) saved = step;
    ::close(channel[0]);

    const LogCapture log;
    const std::optional<fs::path> newest = checkpoint_to_resume(folder_);
    ASSERT_TRUE(newest.has_value());
    EXPECT_GE(read_trainer_state(*newest).step, saved);
    EXPECT_TRUE(latest_checkpoint(folder_).has_value());
    EXPECT_THAT(log.text(), Not(HasSubstr("is skipped")));  // no half folder ever bears a checkpoint's name
  }
}

}  // namespace
}  // namespace kiln
