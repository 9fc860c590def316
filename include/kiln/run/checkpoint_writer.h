// Saves checkpoints while training continues: copies the state, and writes the copy from another thread.
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

/// Memory for the weights and moments of a checkpoint. Allocates it in full at once, and reuses it for each checkpoint.
class CheckpointCopy {
 public:
  /// Allocates for these weights, which may be some of a model's, and this state. The layouts must outlive the copy.
  CheckpointCopy(const ParameterLayout& weights, std::span<const OptimizerSlot> state);

  /// Returns the contents with weights and moments copied; config and layouts are still the original's.
  CheckpointContents take(const CheckpointContents& contents);

 private:
  ParameterBuffer<float> weights_;
  std::vector<ParameterBuffer<float>> moments_;
};

/// Saves a run's checkpoints in order, one at a time. Errors of a background save are thrown by the next poll() or
/// wait(). After an Error (io) `latest` is unchanged, as save_checkpoint guarantees.
class CheckpointWriter {
 public:
  using Clock = std::function<double()>;

  /// Saves into `checkpoints` and keeps `keep` old ones, as save_checkpoint does. Without a `copy`, every save blocks.
  /// The writing thread reads `clock`.
  CheckpointWriter(std::filesystem::path checkpoints, std::int64_t keep, Clock clock,
                   std::optional<CheckpointCopy> copy);
  ~CheckpointWriter();  // waits for the last save, and logs its failure if it was not thrown
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  enum class Await { no, yes };

  /// Starts a save; the previous one must be over (call wait()). Returns the duration in seconds if the save is over on
  /// return: with Await::yes, and always without a copy. The config must outlive the save.
  std::optional<double> save(const CheckpointContents& contents, bool is_best, Await await);

  /// Return the duration in seconds of a background save that is over, once per save; wait() blocks until it is over.
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
