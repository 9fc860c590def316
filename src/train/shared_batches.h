// Shares the batches of a source among ranks.
#pragma once

#include "kiln/core/world.h"
#include "kiln/data/batch.h"
#include "kiln/train/evaluate.h"

#include <algorithm>
#include <vector>

namespace kiln {

/// Calls measure(i) for the rank's share of the source's batches, and then `progress`, as often on every rank.
template <class Measure>
void share_batches(World& world, const EvaluationSource& source, const Evaluator::Progress& progress,
                   Measure&& measure) {
  for (Index first = 0; first < source.size(); first += world.size()) {
    if (first + world.rank() < source.size()) measure(first + world.rank());
    const Index done = std::min(first + world.size(), source.size());
    if (progress) progress(static_cast<double>(done) / static_cast<double>(source.size()));
  }
}

/// Returns what all ranks have measured, in the order of the batches: each has the number of its `batch`.
template <class Measured>
std::vector<Measured> in_order(World& world, const std::vector<Measured>& own) {
  std::vector<Measured> all = world.gather_all(own);
  std::ranges::stable_sort(all, {}, &Measured::batch);
  return all;
}

}  // namespace kiln
