// Confidence intervals of shares.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

namespace kiln {

/// The normal quantile of 97.5%: intervals of 95% reach so many standard errors to each side.
inline constexpr double kNormalQuantile = 1.959963984540054;

/// Returns Wilson's 95% interval of a share (doi:10.1080/01621459.1927.10502953).   0 <= hits <= trials, trials > 0.
/// Neither need be whole: `trials` may be an effective number.
std::pair<double, double> wilson_interval(double hits, double trials);

/// Does the same for whole numbers.
inline std::pair<double, double> wilson_interval(std::int64_t hits, std::int64_t trials) {
  return wilson_interval(static_cast<double>(hits), static_cast<double>(trials));
}

/// The trials of a group that are not independent of each other, such as the pairs of one ranking.
struct TrialGroup {
  double hits = 0, trials = 0;
};

/// A share of trials, with its 95% interval. All are NaN if there are no trials.
struct Share {
  double value = 0, low = 0, high = 0;
  double trials = 0;
};

/// Returns the share of hits of all groups together. The interval is Wilson's, for the number of independent trials
/// that would have the variance of the groups' share, estimated from how the groups differ; at most the number of
/// trials. Where the groups do not differ at all, each counts as one trial if all or none of the trials are hits.
Share share_of(std::span<const TrialGroup> groups);

}  // namespace kiln
