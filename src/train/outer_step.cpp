// Exchanges differences of weights region by region.
#include "kiln/train/outer_step.h"

#include "kiln/core/profile.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/threads.h"

#include <cstddef>
#include <span>

namespace kiln {

OuterStep::OuterStep(const DistributedConfig& config, World& world, const Partition& partition,
                     const ParameterLayout& trained)
    : config_(config), world_(world), partition_(partition), start_(trained), momentum_(trained) {}

void OuterStep::begin(Weights weights) {
  for (const Parameter& p : start_.layout().parameters()) start_.vec(p.id) = weights.masters().vec(p.id);
}

double OuterStep::step(Weights weights, ParameterBuffer<float>& scratch) {
  const Timed timed("communication");
  const Stopwatch stopwatch;
  for (const Parameter& p : start_.layout().parameters())
    scratch.vec(p.id) = start_.vec(p.id) - weights.masters().vec(p.id);
  const std::span<float> all(scratch.data(), static_cast<std::size_t>(scratch.layout().extent()));
  for (const Partition::Region& region : partition_.regions()) {
    world_.reduce_scatter(all, region.elements);
    world_.all_gather(all, region.elements);
  }
  const bool is_average = config_.outer == OuterKind::average;
  const auto mean = 1 / static_cast<float>(world_.size());
  const float mu = is_average ? 0 : static_cast<float>(config_.outer_momentum);
  const float lr = is_average ? 1 : static_cast<float>(config_.outer_learning_rate);
  parallel_each(std::ssize(partition_.chunks()), [&](Index i) {
    const Chunk& chunk = partition_.chunks()[static_cast<std::size_t>(i)];
    float* const start = elements(start_, chunk);
    float* const momentum = elements(momentum_, chunk);
    const float* const sum = elements(scratch, chunk);
    float* const weight = elements(weights.masters(), chunk);
    for (Index k = 0; k < chunk.count; ++k) {
      const float d = mean * sum[k];
      momentum[k] = mu * momentum[k] + d;
      start[k] -= lr * (d + mu * momentum[k]);
      weight[k] = start[k];
    }
    weights.round(chunk.id, chunk.begin, chunk.count);
  });
  return stopwatch.seconds();
}

}  // namespace kiln
