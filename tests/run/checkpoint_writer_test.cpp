// Saves beside the training: what is written is what was there when the save began.
#include "kiln/run/checkpoint_writer.h"

#include "kiln/core/file.h"
#include "kiln/core/threads.h"
#include "kiln/run/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/file_size_limit.h"
#include "support/log_capture.h"
#include "support/scratch.h"
#include "support/small_checkpoint.h"
#include "support/wait.h"
#include <atomic>
#include <fstream>
#include <memory>
#include <unistd.h>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::expect_error_with;
using testing::expect_same;
using testing::FileSizeLimit;
using testing::LogCapture;
using testing::Scratch;
using testing::SmallTraining;
using Await = CheckpointWriter::Await;

/// What of this process lies in memory.
std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t mapped = 0;
  std::int64_t resident = 0;
  statm >> mapped >> resident;  // pages
  return resident * ::sysconf(_SC_PAGESIZE);
}

class Writer : public ::testing::Test {
 protected:
  std::unique_ptr<CheckpointWriter> writer(bool in_background = true) {
    std::optional<CheckpointCopy> copy;
    if (in_background) copy.emplace(training_.small.layout(), training_.slots());
    return std::make_unique<CheckpointWriter>(
        folder_, 100, [this] { return ticks_ += 1.0; }, std::move(copy));
  }

  std::string latest() const { return read_file(folder_ / "latest"); }

  Scratch scratch_;
  fs::path folder_ = scratch_.path("checkpoints");
  SmallTraining training_;
  std::atomic<double> ticks_ = 0;
};

TEST_F(Writer, WritesWhatWasThereWhenTheSaveBegan) {
  set_threads(2);
  const SmallTraining before;
  const auto saving = writer();
  for (const std::int64_t step : {10, 20}) {  // the copy's memory is used again
    training_.small.weights.all() = before.small.weights.all();
    training_.m.all() = before.m.all();
    training_.v.all() = before.v.all() * static_cast<float>(step);
    EXPECT_EQ(saving->save(training_.contents(step), step == 10, Await::no), std::nullopt);
    for (ParameterBuffer<float>* buffer : {&training_.small.weights, &training_.m, &training_.v})
      buffer->all().setZero();
    training_.state.step = 11;
    EXPECT_EQ(saving->wait(), 1.0);
    EXPECT_EQ(saving->wait(), std::nullopt);  // told once
  }
  EXPECT_EQ(latest(), "step-00000020\n");
  EXPECT_EQ(read_file(folder_ / "best"), "step-00000010\n");
  for (const std::int64_t step : {10, 20}) {
    const fs::path folder = *checkpoint_to_resume(folder_);
    verify_checkpoint(folder);
    SmallTraining loaded(testing::small_gpt2(), 5);
    read_huggingface_weights(folder, loaded.config.model, loaded.small.weights);
    read_optimizer(folder, loaded.slots());
    expect_same(loaded.small.weights, before.small.weights);
    expect_same(loaded.m, before.m);
    EXPECT_TRUE(loaded.v.all() == before.v.all() * static_cast<float>(read_trainer_state(folder).step)) << step;
    fs::remove_all(folder);
  }
}

TEST_F(Writer, AwaitedOrWithoutACopyItIsOverOnReturn) {
  const auto both = writer();
  EXPECT_EQ(both->save(training_.contents(10), false, Await::yes), 1.0);
  EXPECT_EQ(latest(), "step-00000010\n");
  EXPECT_EQ(both->poll(), std::nullopt);
  EXPECT_EQ(writer(false)->save(training_.contents(20), false, Await::no), 1.0);
  EXPECT_EQ(latest(), "step-00000020\n");
}

TEST_F(Writer, AFailureInTheBackgroundIsThrownWhereTheSaveIsAwaited) {
  const auto saving = writer();
  saving->save(training_.contents(10), true, Await::yes);
  {
    const FileSizeLimit full(1000);
    saving->save(training_.contents(20), true, Await::no);
    expect_error_with(ExitCode::io, {"cannot be written: File too large"}, [&] { saving->wait(); });
  }
  EXPECT_EQ(latest(), "step-00000010\n");
  EXPECT_EQ(read_file(folder_ / "best"), "step-00000010\n");
  EXPECT_EQ(saving->wait(), std::nullopt);
  saving->save(training_.contents(30), false, Await::no);
  EXPECT_EQ(saving->wait(), 1.0);
  EXPECT_EQ(latest(), "step-00000030\n");
}

TEST_F(Writer, ItsEndAwaitsTheLastSaveAndLogsAFailure) {
  writer()->save(training_.contents(10), false, Await::no);
  EXPECT_EQ(latest(), "step-00000010\n");
  const LogCapture log;
  {
    const FileSizeLimit full(1000);
    writer()->save(training_.contents(20), false, Await::no);
  }
  EXPECT_EQ(latest(), "step-00000010\n");
  EXPECT_THAT(log.text(), ::testing::HasSubstr("warning: "));
  EXPECT_THAT(log.text(), ::testing::HasSubstr("cannot be written: File too large"));
}

TEST_F(Writer, PollTellsOfASaveOnceItIsOver) {
  const auto saving = writer();
  EXPECT_EQ(saving->poll(), std::nullopt);
  saving->save(training_.contents(10), false, Await::no);
  std::optional<double> seconds;
  ASSERT_TRUE(testing::wait_until([&] { return (seconds = saving->poll()).has_value(); }));
  EXPECT_EQ(*seconds, 1.0);
  EXPECT_EQ(latest(), "step-00000010\n");
}

TEST(CheckpointCopy, HasItsMemoryBeforeTheFirstSave) {
  ParameterLayout layout;
  layout.matrix({Module::c_fc, 0}, 4096, 4096);
  ParameterBuffer<float> weights(layout);
  weights.all().setOnes();
  const Config config;
  CheckpointCopy copy(layout, {});
  const std::int64_t before = resident_bytes();
  const CheckpointContents copied = copy.take({config, 1, weights, {}, {}, {}});
  EXPECT_LT(resident_bytes() - before, layout.extent() * std::int64_t{sizeof(float)} / 4);
  EXPECT_EQ(copied.weights.all().sum(), static_cast<float>(layout.extent()));
}

}  // namespace
}  // namespace kiln
