// Configures the learning rate schedule.
#pragma once

#include "kiln/core/fields.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace kiln {

/// The schedule after the linear warm-up: constant; linear or cosine (arXiv:1608.03983) to min_ratio; wsd: constant,
/// then linear to min_ratio (arXiv:2404.06395); inverse_sqrt (arXiv:1706.03762).
enum class ScheduleKind { constant, linear, cosine, wsd, inverse_sqrt };
inline constexpr std::array<std::string_view, 5> kScheduleKinds{"constant", "linear", "cosine", "wsd", "inverse_sqrt"};
inline std::span<const std::string_view> names_of(ScheduleKind) { return kScheduleKinds; }

struct ScheduleConfig {
  ScheduleKind type = ScheduleKind::cosine;
  std::int64_t warmup_steps = 100;
  double min_ratio = 0.1;
  double decay_fraction = 0.4;

  template <class V>
  void visit(V& v) {
    v("type", type, "learning rate after the warm-up; wsd: constant, then a linear decay");
    v("warmup_steps", warmup_steps, "steps in which the learning rate rises to its peak", non_negative());
    v("min_ratio", min_ratio, "final learning rate of linear, cosine and wsd, as a share of the peak", between(0, 1));
    v("decay_fraction", decay_fraction, "share of the run, at its end, in which wsd decays", between(0, 1));
  }
};

}  // namespace kiln
