// Exchanges differences of weights, some chunks at a time.
#include "kiln/train/outer_step.h"

#include "kiln/core/profile.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/threads.h"

#include <algorithm>
#include <cstdint>
#include <span>

namespace kiln {
namespace {

constexpr std::size_t kChunksAtATime = 512;  // 16 MB

}  // namespace

OuterStep::OuterStep(const DistributedConfig& config, World& world, const ParameterLayout& trained)
    : config_(config),
      world_(world),
      chunks_(make_chunks(trained)),
      start_(trained),
      momentum_(trained),
      differences_(std::min(kChunksAtATime, chunks_.size()) * static_cast<std::size_t>(kChunkElements)) {}

void OuterStep::begin(Weights weights) {
  for (const Parameter& p : start_.layout().parameters()) start_.vec(p.id) = weights.masters().vec(p.id);
}

double OuterStep::step(Weights weights) {
  const Timed timed("communication");
  const Stopwatch stopwatch;
  for (std::size_t first = 0; first < chunks_.size(); first += kChunksAtATime) {
    step_chunks(weights, first, std::min(first + kChunksAtATime, chunks_.size()));
  }
  return stopwatch.seconds();
}

void OuterStep::step_chunks(Weights weights, std::size_t first, std::size_t last) {
  const auto count = static_cast<Index>(last - first);
  const auto differences = [&](Index i) { return differences_.data() + i * kChunkElements; };
  const auto chunk_at = [&](Index i) -> const Chunk& { return chunks_[first + static_cast<std::size_t>(i)]; };
  parallel_each(count, [&](Index i) {
    const Chunk& chunk = chunk_at(i);
    const float *const start = elements(start_, chunk), *const weight = elements(weights.masters(), chunk);
    float* const difference = differences(i);
    for (Index k = 0; k < chunk.count; ++k) difference[k] = start[k] - weight[k];
  });
  std::vector<std::int64_t> bounds;
  for (int r = 0; r <= world_.size(); ++r) bounds.push_back(count * r / world_.size() * kChunkElements);
  const std::span<float> all(differences_.data(), static_cast<std::size_t>(bounds.back()));
  world_.reduce_scatter(all, bounds);
  world_.all_gather(all, bounds);

  const bool is_average = config_.outer == OuterKind::average;
  const auto mean = 1 / static_cast<float>(world_.size());
  const float mu = is_average ? 0 : static_cast<float>(config_.outer_momentum);
  const float lr = is_average ? 1 : static_cast<float>(config_.outer_learning_rate);
  parallel_each(count, [&](Index i) {
    const Chunk& chunk = chunk_at(i);
    float *const start = elements(start_, chunk), *const momentum = elements(momentum_, chunk);
    float* const weight = elements(weights.masters(), chunk);
    const float* const sum = differences(i);
    for (Index k = 0; k < chunk.count; ++k) {
      const float d = mean * sum[k];
      momentum[k] = mu * momentum[k] + d;
      start[k] -= lr * (d + mu * momentum[k]);
      weight[k] = start[k];
    }
    weights.round(chunk.id, chunk.begin, chunk.count);
  });
}

}  // namespace kiln
