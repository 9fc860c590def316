// Lays examples of unequal length end to end, for training and for evaluation.
#pragma once

#include "kiln/data/batch.h"
#include "kiln/data/data_order.h"
#include "kiln/data/mix_order.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// Examples that batches are packed with: conversations, or judged prompts.
class Examples {
 public:
  Examples() = default;
  virtual ~Examples() = default;
  Examples(const Examples&) = delete;
  Examples& operator=(const Examples&) = delete;

  virtual Index size() const = 0;
  /// Returns what an example is called: "conversation".
  virtual std::string_view unit() const = 0;
  /// Returns the rows that example i takes in a batch, 0 <= i < size().
  virtual Index rows(Index i) const = 0;
  /// Appends example i to a batch. `number` identifies the example within a run, for dropout.
  virtual void append(Index i, std::uint64_t number, Batch& batch) const = 0;
  /// Returns the sources of the examples, which follow each other in order.
  virtual std::vector<MixedSource> sources() const { return {{.size = size()}}; }
  /// Returns the names of the sources.
  virtual std::vector<std::string> source_names() const { return {}; }
};

/// The order and the sizes of training batches.
struct PackingOptions {
  Index rows = 0;           // of a micro-batch, at most, before they are rounded up: no example has more
  Index micro_batches = 1;  // of a step; 0: as many as an epoch takes
  DataOrder order = DataOrder::shuffle;
  std::uint64_t seed = 0;
};

/// The batches of training: the next examples in the run's order (MixOrder, by the sources' weights), as many as fit
/// into the rows.
class PackedBatches final : public BatchSource {
 public:
  /// There must be at least one example in each source.
  PackedBatches(std::shared_ptr<const Examples> examples, const PackingOptions& options);

  /// Returns the example that is number `number` of the run.
  Index example(Index number) { return order_.example(number); }

  /// Returns how many examples of source i an epoch has.
  Index draws(Index i) const { return order_.draws(i); }

  std::string_view unit() const override { return examples_->unit(); }
  Index epoch() const override { return order_.epoch(); }
  Index count(Index first, Index micro_batch) override;
  void fill(Index first, Index count, Batch& batch) override;
  Index steps_of_epochs(double epochs) override;

 private:
  std::shared_ptr<const Examples> examples_;
  PackingOptions options_;
  MixOrder order_;
};

/// The batches of an evaluation: all examples in order, or, if they take more than `most_rows`, an evenly spread part
/// of them, always the same.
class PackedEvaluation final : public EvaluationSource {
 public:
  /// `rows` of a batch, at most: no example has more. A batch holds examples of one source.
  PackedEvaluation(std::shared_ptr<const Examples> examples, Index rows, Index most_rows);

  Index size() const override { return std::ssize(begins_) - 1; }
  void fill(Index i, Batch& batch) const override;
  Index tokens() const override { return tokens_; }
  std::string name() const override { return name_; }
  std::vector<std::string> parts() const override { return examples_->source_names(); }
  Index part(Index i) const override { return part_of_[static_cast<std::size_t>(i)]; }

 private:
  std::shared_ptr<const Examples> examples_;
  std::string name_;
  std::vector<Index> chosen_;
  std::vector<Index> begins_;   // in chosen_, of each batch, and the end of the last
  std::vector<Index> part_of_;  // the source of each batch
  Index tokens_ = 0;
};

}  // namespace kiln
