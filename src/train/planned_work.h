// Counts a run's work besides its steps, and the time it takes.
#pragma once

#include "kiln/run/train_config.h"
#include "kiln/train/plan.h"

namespace kiln {

/// Seconds per unit of work.
struct UnitCosts {
  double step = 0;
  double evaluation = 0;  // 0: no evaluations
  double sample = 0;
  double save = 0;             // if training waits: for the first and the last, or all
  double background_save = 0;  // the slowdown of training by a background save
};

struct WorkPlan {
  PlannedWork evaluations, samples, saves;
  double seconds = 0;  // of these and the steps
};

/// Returns the work of a run of `steps` steps. Assumes that every evaluation improves, which saves a checkpoint.
WorkPlan plan_work(const TrainConfig& train, Index steps, const UnitCosts& costs);

/// Returns the time of the steps, evaluations and samples after step `done` of a run of `steps` steps.
double seconds_after(const TrainConfig& train, Index done, Index steps, const UnitCosts& costs);

/// Returns the most steps whose work fits into `seconds`; 0 if none does.
Index steps_within(const TrainConfig& train, double seconds, const UnitCosts& costs);

}  // namespace kiln
