// Fills batches in the run's order until the next example does not fit.
#include "kiln/data/packed_batches.h"

#include "kiln/core/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

namespace kiln {

PackedBatches::PackedBatches(std::shared_ptr<const Examples> examples, const PackingOptions& options)
    : examples_(std::move(examples)), options_(options), order_(examples_->sources(), options.order, options.seed) {}

Index PackedBatches::count(Index first, Index micro_batch) {
  const bool takes_epochs = options_.micro_batches == 0;
  if (takes_epochs ? micro_batch > 0 && first % epoch() == 0 : micro_batch >= options_.micro_batches) return 0;
  Index examples = 0;
  for (Index rows = 0;; ++examples) {
    if (takes_epochs && examples > 0 && (first + examples) % epoch() == 0) break;
    rows += examples_->rows(example(first + examples));
    if (rows > options_.rows) break;
  }
  assert(examples > 0);
  return examples;
}

void PackedBatches::fill(Index first, Index count, Batch& batch) {
  batch.clear();
  for (Index number = first; number < first + count; ++number) {
    examples_->append(example(number), static_cast<std::uint64_t>(number), batch);
  }
  batch.rows.round_up(kRowMultiple);
}

Index PackedBatches::steps_of_epochs(double epochs) {
  constexpr double kMostExamples = 1e9;
  const double wanted = std::ceil(epochs * static_cast<double>(epoch()) * (1 - 1e-12));  // 0.07 * 100 is more than 7
  check(wanted <= kMostExamples,
        "train.epochs {} are {:.2g} {}s, more than can be counted; lower it, or set train.steps", epochs, wanted,
        unit());
  Index steps = 0;
  for (Index drawn = 0; static_cast<double>(drawn) < std::max(wanted, 1.0); ++steps) {
    for (const ExampleRange& micro_batch : micro_batches_of_step(*this, drawn)) drawn += micro_batch.count;
  }
  return steps;
}

PackedEvaluation::PackedEvaluation(std::shared_ptr<const Examples> examples, Index rows, Index most_rows)
    : examples_(std::move(examples)), name_(fmt::format("the {}s", examples_->unit())) {
  const Index all = examples_->size();
  Index whole = 0;
  for (Index i = 0; i < all; ++i) whole += examples_->rows(i);
  Index count = all;
  if (whole > most_rows) {
    const double share = static_cast<double>(most_rows) / static_cast<double>(whole);
    count = std::clamp<Index>(static_cast<Index>(std::ceil(share * static_cast<double>(all))), 1, all);
  }
  std::vector<Index> ends;  // of each source
  for (const MixedSource& source : examples_->sources()) ends.push_back((ends.empty() ? 0 : ends.back()) + source.size);
  Index filled = rows + 1;
  for (Index k = 0; k < count; ++k) {
    const Index i = k * all / count, length = examples_->rows(i);
    const Index part = std::ranges::upper_bound(ends, i) - ends.begin();
    if (filled + length > rows || part != part_of_.back()) {
      begins_.push_back(k);
      part_of_.push_back(part);
      filled = 0;
    }
    filled += length;
    chosen_.push_back(i);
    tokens_ += length;
  }
  begins_.push_back(count);
}

void PackedEvaluation::fill(Index i, Batch& batch) const {
  assert(i >= 0 && i < size());
  batch.clear();
  const auto at = static_cast<std::size_t>(i);
  for (Index k = begins_[at]; k < begins_[at + 1]; ++k) {
    examples_->append(chosen_[static_cast<std::size_t>(k)], 0, batch);
  }
  batch.rows.round_up(kRowMultiple);
}

}  // namespace kiln
