// Schedules: a function each, from a step after the warm-up to a multiplier, and their table.
#include "kiln/optim/schedule.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace kiln {
namespace {

/// How far `step` has come from `begin` to `end`, in [0, 1].
double progress(Index step, double begin, Index end) {
  const double length = static_cast<double>(end) - begin;
  return length > 0 ? std::clamp((static_cast<double>(step) - begin) / length, 0.0, 1.0) : 1.0;
}

double fall(const ScheduleConfig& config, double share) { return 1.0 - (1.0 - config.min_ratio) * share; }

double constant(const ScheduleConfig&, Index, Index) { return 1.0; }

double linear(const ScheduleConfig& config, Index step, Index total_steps) {
  return fall(config, progress(step, static_cast<double>(config.warmup_steps), total_steps));
}

double cosine(const ScheduleConfig& config, Index step, Index total_steps) {
  const double angle = std::numbers::pi * progress(step, static_cast<double>(config.warmup_steps), total_steps);
  return config.min_ratio + (1.0 - config.min_ratio) * 0.5 * (1.0 + std::cos(angle));
}

double wsd(const ScheduleConfig& config, Index step, Index total_steps) {
  const double stable_steps = static_cast<double>(total_steps) * (1.0 - config.decay_fraction);
  const double begin = std::max(stable_steps, static_cast<double>(config.warmup_steps));
  return static_cast<double>(step) < begin ? 1.0 : fall(config, progress(step, begin, total_steps));
}

double inverse_sqrt(const ScheduleConfig& config, Index step, Index) {
  return std::sqrt(static_cast<double>(std::max<Index>(config.warmup_steps, 1)) / (static_cast<double>(step) + 1.0));
}

struct Entry {
  ScheduleKind kind;
  double (*multiplier)(const ScheduleConfig& config, Index step, Index total_steps);
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

double schedule_multiplier(const ScheduleConfig& given, Index step, Index total_steps) {
  ScheduleConfig config = given;
  config.warmup_steps = std::min<std::int64_t>(config.warmup_steps, total_steps);
  if (step < config.warmup_steps) return static_cast<double>(step + 1) / static_cast<double>(config.warmup_steps);
  for (const Entry& entry : kSchedules) {
    if (entry.kind == config.type) return entry.multiplier(config, step, total_steps);
  }
  fail(ExitCode::failure, "schedule {} is missing from kSchedules", static_cast<int>(config.type));
}

}  // namespace kiln
