// Writes the answer to a signal that stops training: the work still done, and the cost of a second signal.
#pragma once

#include "kiln/tensor/view.h"
#include "kiln/train/training_monitor.h"

#include <atomic>
#include <string>

namespace kiln::cli {

/// The state that the answer needs. Training sets it; the answering thread reads it.
class StopAnswer {
 public:
  /// Sets the current work: the step after `step`, or other work after it.
  void begin(TrainingWork work, Index step) {
    step_ = step;
    work_ = work;
  }

  /// Sets the step of the newest checkpoint on disk.
  void set_saved(Index step) { saved_ = step; }

  /// Returns the answer:
  /// "Ctrl-C: step 8 is finished and saved first; a second Ctrl-C ends at once and loses the 7 steps since step 0".
  std::string to(int signal) const;

 private:
  std::atomic<TrainingWork> work_ = TrainingWork::save;
  std::atomic<Index> step_ = 0, saved_ = 0;
};

}  // namespace kiln::cli
