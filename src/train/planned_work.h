// What a run does besides its steps: how often, and how long it takes.
#pragma once

#include "kiln/run/train_config.h"
#include "kiln/train/plan.h"

namespace kiln {

/// Seconds that one of each takes.
struct UnitCosts {
  double step = 0;
  double evaluation = 0;  // 0: there is nothing to evaluate
  double sample = 0;
  double save = 0;             // that training waits for: the first and the last, or all of them
  double background_save = 0;  // its share of training's time, where it is written meanwhile
};

struct WorkPlan {
  PlannedWork evaluations, samples, saves;
  double seconds = 0;  // of these and the steps
};

/// The work of a run of so many steps. Every evaluation is assumed to improve, which saves a checkpoint.
WorkPlan plan_work(const TrainConfig& train, Index steps, const UnitCosts& costs);

/// The most steps whose work fits into so many seconds; 0 where not one does.
Index steps_within(const TrainConfig& train, double seconds, const UnitCosts& costs);

}  // namespace kiln
