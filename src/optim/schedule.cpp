// Implements each schedule as a function from the position in the run to a multiplier, and their table.
#include "kiln/optim/schedule.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace kiln {
namespace {

/// The position in a run, the length of its warm-up and of the run, in steps.
struct Course {
  double step, warmup, total;

  /// Returns the share of the way from `begin` to the run's end, in [0, 1].
  double progress_from(double begin) const {
    return total > begin ? std::clamp((step - begin) / (total - begin), 0.0, 1.0) : 1.0;
  }
};

double fall(const ScheduleConfig& config, double share) { return 1.0 - (1.0 - config.min_ratio) * share; }

double constant(const ScheduleConfig&, const Course&) { return 1.0; }

double linear(const ScheduleConfig& config, const Course& course) {
  return fall(config, course.progress_from(course.warmup));
}

double cosine(const ScheduleConfig& config, const Course& course) {
  const double angle = std::numbers::pi * course.progress_from(course.warmup);
  return config.min_ratio + (1.0 - config.min_ratio) * 0.5 * (1.0 + std::cos(angle));
}

double wsd(const ScheduleConfig& config, const Course& course) {
  const double begin = std::max(course.total * (1.0 - config.decay_fraction), course.warmup);
  return course.step < begin ? 1.0 : fall(config, course.progress_from(begin));
}

double inverse_sqrt(const ScheduleConfig&, const Course& course) {
  return std::sqrt(std::max(course.warmup, 1.0) / (course.step + 1.0));
}

struct Entry {
  ScheduleKind kind;
  double (*multiplier)(const ScheduleConfig& config, const Course& course);
};

constexpr std::array<Entry, 5> kSchedules{{
    {ScheduleKind::constant, constant},
    {ScheduleKind::linear, linear},
    {ScheduleKind::cosine, cosine},
    {ScheduleKind::wsd, wsd},
    {ScheduleKind::inverse_sqrt, inverse_sqrt},
}};
static_assert(kSchedules.size() == kScheduleKinds.size());

}  // namespace

double schedule_multiplier(const ScheduleConfig& config, Index step, double total_steps) {
  const double warmup = std::min(static_cast<double>(config.warmup_steps), total_steps);
  const Course course{.step = static_cast<double>(step), .warmup = warmup, .total = total_steps};
  if (course.step < warmup) return std::min((course.step + 1) / warmup, 1.0);
  for (const Entry& entry : kSchedules) {
    if (entry.kind == config.type) return entry.multiplier(config, course);
  }
  fail(ExitCode::failure, "schedule {} is missing from kSchedules", static_cast<int>(config.type));
}

}  // namespace kiln
