// A float's exponent and the first bits of its fraction, read as a number, are its bucket.
#include "kiln/run/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace kiln {
namespace {

constexpr int kFractionBits = 3;  // buckets an octave: 2 to this power
constexpr int kShift = 23 - kFractionBits;
constexpr int kOctaves = 10;                               // below the largest magnitude that are told apart
constexpr std::size_t kInfinite = 0xFFU << kFractionBits;  // the first bucket of what is not finite
constexpr std::size_t kBuckets = 0x100U << kFractionBits;

/// The magnitude at which a bucket begins.
double begin_of(std::size_t bucket) {
  if (bucket >= kInfinite) return std::numeric_limits<float>::max();
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bucket) << kShift));
}

/// Counts by magnitude, for either sign.
struct Counts {
  std::vector<std::int64_t> positive = std::vector<std::int64_t>(kBuckets);
  std::vector<std::int64_t> negative = std::vector<std::int64_t>(kBuckets);
};

/// Adds a bucket at the upper end; empty ones are left out where they come first, and joined where they follow another.
void add_bucket(Histogram& histogram, double limit, std::int64_t count) {
  if (count == 0 && histogram.limits.empty()) return;
  if (count == 0 && histogram.counts.back() == 0) {
    histogram.limits.back() = limit;
    return;
  }
  histogram.limits.push_back(limit);
  histogram.counts.push_back(static_cast<double>(count));
}

void add_buckets(Histogram& histogram, const Counts& counts) {
  constexpr std::size_t kKept = std::size_t{kOctaves} << kFractionBits;
  std::size_t end = 1;  // behind the bucket of the largest magnitude
  for (std::size_t i = 0; i < kInfinite; ++i) {
    if (counts.positive[i] + counts.negative[i] > 0) end = i + 1;
  }
  const std::size_t least = end > kKept + 1 ? end - kKept : 1;
  std::int64_t small = 0;
  for (std::size_t i = 0; i < least; ++i) small += counts.positive[i] + counts.negative[i];
  for (std::size_t i = end; i-- > least;) add_bucket(histogram, -begin_of(i), counts.negative[i]);
  add_bucket(histogram, begin_of(least), small);
  for (std::size_t i = least; i < end; ++i) add_bucket(histogram, begin_of(i + 1), counts.positive[i]);
  if (!histogram.counts.empty() && histogram.counts.back() == 0) {
    histogram.limits.pop_back();
    histogram.counts.pop_back();
  }
}

}  // namespace

Histogram histogram_of(std::span<const float> values) {
  Histogram histogram;
  histogram.min = std::numeric_limits<double>::infinity();
  histogram.max = -histogram.min;
  Counts counts;
  for (const float value : values) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::size_t bucket = (bits & 0x7FFFFFFFU) >> kShift;
    if (bucket >= kInfinite) continue;
    ++(value < 0 ? counts.negative : counts.positive)[bucket];
    const auto wide = static_cast<double>(value);
    histogram.min = std::min(histogram.min, wide);
    histogram.max = std::max(histogram.max, wide);
    histogram.count += 1;
    histogram.sum += wide;
    histogram.sum_of_squares += wide * wide;
  }
  if (histogram.count == 0) histogram.min = histogram.max = 0;
  add_buckets(histogram, counts);
  return histogram;
}

}  // namespace kiln
