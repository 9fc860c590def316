// Saves a run's checkpoints, and tolerates a disk that is full for a while.
#pragma once

#include "kiln/run/checkpoint_writer.h"
#include "kiln/train/training_monitor.h"

#include "train/training_clock.h"
#include "train/training_parts.h"
#include <functional>
#include <optional>

namespace kiln {

class CheckpointSaver {
 public:
  /// All arguments must outlive the saver. `shared` is the optimizer's state of all ranks, which a save waits for.
  CheckpointSaver(TrainingParts& parts, const RunPaths& paths, TrainingClock& clock, TrainingMonitor& monitor,
                  SharedState* shared = nullptr);

  /// Whether a later save can make up for a failed one.
  enum class Retry { later, never };

  /// Saves in the background if a later save follows, else before it returns. Calls `before` first, whose failure is
  /// the save's. Throws Error (io) unless a later save can make up for it, and after the third failure in a row.
  void save(bool is_best, Retry retry, const std::function<void()>& before);

  /// Notes the end of a background save. Throws as save does; so does wait, which waits for it.
  void poll();
  void wait();

 private:
  template <class Call>
  void tolerate(Retry retry, Call&& call);
  void forget_unsaved_best();

  /// The lowest validation loss and its step.
  struct Best {
    std::optional<double> loss;
    Index step;
  };

  TrainingParts& p_;
  TrainingClock& clock_;
  TrainingMonitor& monitor_;
  SharedState* shared_;
  TokenizerFiles tokenizer_;
  Best saved_;   // of the checkpoints on disk
  Best saving_;  // the same after the current save
  Index saving_step_ = 0;
  int failures_ = 0;  // in a row
  CheckpointWriter writer_;
};

}  // namespace kiln
