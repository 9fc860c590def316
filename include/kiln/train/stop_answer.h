// What a training says to the signal that stops it: what it still does, and what a second signal costs.
#pragma once

#include "kiln/tensor/view.h"

#include <atomic>
#include <string>

namespace kiln {

/// Told by the training where it stands; read by the thread that answers.
class StopAnswer {
 public:
  enum class Work { step, evaluation, sample, save };

  /// What is at work from here on: the step after `step`, or something else after it.
  void begin(Work work, Index step) {
    step_ = step;
    work_ = work;
  }

  /// The step of the newest checkpoint on the disk.
  void set_saved(Index step) { saved_ = step; }

  /// "Ctrl-C: step 8 is finished and saved first; a second Ctrl-C ends at once and loses the 7 steps since step 0".
  std::string to(int signal) const;

 private:
  std::atomic<Work> work_ = Work::save;
  std::atomic<Index> step_ = 0, saved_ = 0;
};

}  // namespace kiln
