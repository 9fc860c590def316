// Makes all ranks stop after the same step.
#pragma once

#include "kiln/core/world.h"
#include "kiln/train/training_monitor.h"

#include <string>

namespace kiln {

/// Passes everything on to a monitor, and ends the training if that of any rank wants to.
class AgreedMonitor final : public TrainingMonitor {
 public:
  /// Both must outlive the object.
  AgreedMonitor(TrainingMonitor& own, World& world) : own_(own), world_(world) {}

  /// Asks all ranks, which must do so together.
  bool should_stop() override { return stops_ = stops_ || world_.any(own_.should_stop()); }
  /// Returns what ranks answered last; of one process, asks again.
  bool stops() { return world_.size() == 1 ? should_stop() : stops_; }
  void on_start() override { own_.on_start(); }
  void on_work(TrainingWork work, Index step) override { own_.on_work(work, step); }
  void on_step(const StepFigures& figures) override { own_.on_step(figures); }
  void on_row(const StepFigures& figures) override { own_.on_row(figures); }
  void on_evaluation(Index step, const Evaluation& evaluation, bool is_best) override {
    own_.on_evaluation(step, evaluation, is_best);
  }
  void on_sample(Index step, const std::string& text) override { own_.on_sample(step, text); }
  void on_save(Index step) override { own_.on_save(step); }

 private:
  TrainingMonitor& own_;
  World& world_;
  bool stops_ = false;
};

}  // namespace kiln
