// Calls functions of a test at the events of a training, and ends it when told.
#pragma once

#include "kiln/train/evaluate.h"
#include "kiln/train/training_monitor.h"

#include <functional>
#include <string>
#include <utility>

namespace kiln::testing {

class TrainingHooks final : public TrainingMonitor {
 public:
  std::function<void(Index step)> after_step = {};
  std::function<void(TrainingWork work, Index step)> before_work = {};
  std::function<void(const Evaluation& evaluation)> after_evaluation = {};
  std::function<void()> when_asked = {};  // whether to stop
  bool stop = false;

  bool should_stop() override {
    if (when_asked) when_asked();
    return stop;
  }
  void on_step(const StepFigures& figures) override {
    if (after_step) after_step(figures.row.step);
  }
  void on_evaluation(Index, const Evaluation& evaluation, bool) override {
    if (after_evaluation) after_evaluation(evaluation);
  }
  void on_work(TrainingWork work, Index step) override {
    if (before_work) before_work(work, step);
  }
};

/// Returns hooks that end a training after this step.
inline void stop_after(TrainingHooks& hooks, Index step) {
  hooks.after_step = [&hooks, step](Index taken) { hooks.stop = taken == step; };
}

}  // namespace kiln::testing
