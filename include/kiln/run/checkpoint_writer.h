// Saving while training goes on: a copy is taken at once, another thread brings it to the disk.
#pragma once

#include "kiln/run/checkpoint.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// Memory for the weights and moments of a checkpoint, taken whole from the system at once and used for one after
/// another.
class CheckpointCopy {
 public:
  /// For such weights and such a state, whose layouts must outlive it.
  CheckpointCopy(const ParameterLayout& weights, std::span<const OptimizerSlot> state);

  /// The contents with weights and moments copied; config and layout are still the original's.
  CheckpointContents take(const CheckpointContents& contents);

 private:
  ParameterBuffer<float> weights_;
  std::vector<ParameterBuffer<float>> moments_;
};

/// Saves a run's checkpoints in their order, at most one at a time: whoever begins the next waits for the one before.
/// What went wrong in the background is thrown by the next call; after an Error (io) the pointers say what they said,
/// as save_checkpoint promises.
class CheckpointWriter {
 public:
  using Clock = std::function<double()>;

  /// Saves into `checkpoints` and keeps `keep`, as save_checkpoint does; without a copy each save is awaited. `clock`
  /// is read by whichever thread writes.
  CheckpointWriter(std::filesystem::path checkpoints, std::int64_t keep, Clock clock,
                   std::optional<CheckpointCopy> copy);
  ~CheckpointWriter();  // awaits the last save; a failure that nobody has heard of is logged
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  enum class Await { no, yes };

  /// Begins to save; none is at work when it is called (wait() sees to that). Returns the seconds that the save took
  /// where it is over on return: with Await::yes, and always without a copy. The config has to outlive the save.
  std::optional<double> save(const CheckpointContents& contents, bool is_best, Await await);

  /// The seconds that a save in the background took, if it is over and this was not asked before; wait() waits for it.
  std::optional<double> poll();
  std::optional<double> wait();

 private:
  double write(const CheckpointContents& contents, bool is_best) const;

  std::filesystem::path checkpoints_;
  std::int64_t keep_;
  Clock clock_;
  std::optional<CheckpointCopy> copy_;
  std::future<double> at_work_;
};

}  // namespace kiln
