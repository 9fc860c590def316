// Counts the work of the trainer's loop in closed form.
#include "train/planned_work.h"

#include <algorithm>
#include <numeric>

namespace kiln {
namespace {

/// Returns the number of steps from 1 to `steps` that are multiples of `a` or `b` (0: none) or, if `counts_last`, the
/// last.
Index occasions(Index steps, Index a, Index b, bool counts_last) {
  const auto multiples = [&](Index every) { return every > 0 ? steps / every : 0; };
  const auto is_multiple = [&](Index every) { return every > 0 && steps % every == 0; };
  const double both = static_cast<double>(a) / static_cast<double>(std::max<Index>(1, std::gcd(a, b))) *
                      static_cast<double>(b);  // in double, which does not overflow
  const Index shared = both > 0 && both <= static_cast<double>(steps) ? multiples(std::lcm(a, b)) : 0;
  const bool adds_last = counts_last && steps > 0 && !is_multiple(a) && !is_multiple(b);
  return multiples(a) + multiples(b) - shared + (adds_last ? 1 : 0);
}

PlannedWork work(Index count, double seconds_each) {
  return {.count = count, .seconds = static_cast<double>(count) * seconds_each};
}

}  // namespace

WorkPlan plan_work(const TrainConfig& train, Index steps, const UnitCosts& costs) {
  const Index eval_every = costs.evaluation > 0 ? train.eval_every : 0;
  WorkPlan plan;
  if (eval_every > 0) plan.evaluations = work(occasions(steps, eval_every, 0, true), costs.evaluation);
  const bool at_evaluations = train.sample_at_evaluations && eval_every > 0;
  plan.samples =
      work(occasions(steps, train.sample_every, at_evaluations ? eval_every : 0, at_evaluations), costs.sample);
  constexpr Index kAwaited = 2;  // the first, before any step, and the last
  const Index saves = 1 + occasions(steps, train.checkpoint_every, eval_every, true);
  const Index awaited = train.copies_checkpoints() ? std::min(saves, kAwaited) : saves;
  plan.saves = {.count = saves,
                .seconds = static_cast<double>(awaited) * costs.save +
                           static_cast<double>(saves - awaited) * costs.background_save};
  plan.seconds =
      static_cast<double>(steps) * costs.step + plan.evaluations.seconds + plan.samples.seconds + plan.saves.seconds;
  return plan;
}

double seconds_after(const TrainConfig& train, Index done, Index steps, const UnitCosts& costs) {
  const Index eval_every = costs.evaluation > 0 ? train.eval_every : 0;
  const bool at_evaluations = train.sample_at_evaluations && eval_every > 0;
  const auto left = [&](Index every, Index other, bool counts_last) {
    return static_cast<double>(occasions(steps, every, other, counts_last) - occasions(done, every, other, false));
  };
  return static_cast<double>(steps - done) * costs.step + left(eval_every, 0, eval_every > 0) * costs.evaluation +
         left(train.sample_every, at_evaluations ? eval_every : 0, at_evaluations) * costs.sample;
}

Index steps_within(const TrainConfig& train, double seconds, const UnitCosts& costs) {
  Index fits = 0, too_many = static_cast<Index>(seconds / costs.step) + 1;
  while (too_many - fits > 1) {
    const Index middle = fits + (too_many - fits) / 2;
    (plan_work(train, middle, costs).seconds <= seconds ? fits : too_many) = middle;
  }
  return fits;
}

}  // namespace kiln
