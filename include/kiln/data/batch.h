// Defines a batch of scored tokens, and the source of a run's batches.
#pragma once

#include "kiln/data/token_file.h"
#include "kiln/nn/token_rows.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A judgement about answers of a batch, each a sequence: one is liked better than others.
struct Comparison {
  Index chosen = 0;             // a sequence of the batch
  std::vector<Index> rejected;  // one of a pair; several where the chosen answer is the best of a list
  double weight = 1;            // in the loss
  double probability = 1;       // of a pair: that the chosen answer is the better one, at least 0.5, which is a tie
  double margin = 0;            // of a pair: by how much it is the better one
};

/// What a policy gradient reads of each scored row, whose target a policy has drawn.
struct DrawnRows {
  std::vector<double> behaviour;   // (M) log p when the token was drawn
  std::vector<double> advantages;  // (M)
  std::vector<double> reference;   // (M) log p under the reference model; empty if the loss has no part in it
  std::vector<double> values;      // (M) of a value head, when the token was drawn; else empty
  std::vector<double> returns;     // (M) what the value is to predict
  double kl_weight = 0;            // of the divergence from the reference in the loss
  bool values_alone = false;       // the value head alone learns

  void clear();
};

/// Tokens to run through a model, and the rows that its head scores.
struct Batch {
  TokenRows rows;                     // (N) inputs
  std::vector<Index> scored;          // (M) rows, ascending
  std::vector<std::int32_t> targets;  // (M) the token that follows each; 0 where the head scores no token
  std::vector<float> weights;         // (M) of each in the loss
  double temperature = 1;             // divides the logits

  // Of judged answers, each of which is a sequence:
  std::vector<Comparison> comparisons;
  std::vector<double> reference;  // (sequences) log p of each answer under the reference model; empty without one

  DrawnRows drawn;  // of tokens that a policy drew

  Scored scored_targets() const { return {scored, targets, temperature, drawn.values_alone}; }

  /// Removes all rows; keeps the memory.
  void clear();
  /// Appends T tokens of a file from token `first` on, each scored by the token that follows it with a weight of 1.
  /// They form one sequence; with a `border`, a new sequence begins after each such token, whose row is then not
  /// scored. `window` identifies these tokens within a run.
  void append_window(const TokenFile& file, Index first, Index T, std::optional<TokenId> border, Index window = 0);
};

/// Draws the batches of a run. Examples (windows of a text, conversations) are numbered from 0 at the run's start and
/// continued over the epochs. What a batch holds is a pure function of the seed and the number of its first example, so
/// that the count of examples drawn is the only state.
class BatchSource {
 public:
  BatchSource() = default;
  virtual ~BatchSource() = default;
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;

  /// Returns what an example is called: "window".
  virtual std::string_view unit() const = 0;

  /// Returns the examples of an epoch.
  virtual Index epoch() const = 0;

  /// Returns the examples of micro-batch `micro_batch` of a step, of which `first` is the first; 0 if the step has no
  /// such micro-batch.
  virtual Index count(Index first, Index micro_batch) = 0;

  /// Fills the batch with examples [first, first + count): a micro-batch, or a part of it.
  virtual void fill(Index first, Index count, Batch& batch) = 0;

  /// Returns the steps of `epochs` passes, at least 1. Throws Error (usage) if that overflows.
  virtual Index steps_of_epochs(double epochs) = 0;
};

/// Some examples of a run that follow each other: a micro-batch, or a part of one.
struct ExampleRange {
  Index first = 0, count = 0;
};

/// Returns the micro-batches of the step whose first example is `first`.
std::vector<ExampleRange> micro_batches_of_step(BatchSource& source, Index first);

/// Returns part `part` of a step that is shared among `parts`: some of its micro-batches, or, if there are fewer of
/// them than parts, a part of one, which may be empty.
std::vector<ExampleRange> part_of_step(std::span<const ExampleRange> micro_batches, Index part, Index parts);

/// The batches of an evaluation, which score each target once. Their sequences do not depend on each other.
class EvaluationSource {
 public:
  EvaluationSource() = default;
  virtual ~EvaluationSource() = default;
  EvaluationSource(const EvaluationSource&) = delete;
  EvaluationSource& operator=(const EvaluationSource&) = delete;

  /// Returns the number of batches.
  virtual Index size() const = 0;
  /// Fills batch i, 0 <= i < size().
  virtual void fill(Index i, Batch& batch) const = 0;
  /// Returns the number of tokens that are read.
  virtual Index tokens() const = 0;
  /// Returns a name for messages.
  virtual std::string name() const = 0;
  /// Returns the names of the parts, which are also scored by themselves if there are several; none for a text.
  virtual std::vector<std::string> parts() const { return {}; }
  /// Returns the part that batch i belongs to.
  virtual Index part(Index /*i*/) const { return 0; }
  /// Throws Error (bad_input) that names a token of the source outside [0, vocab_size), which is known to hold one.
  [[noreturn]] virtual void fail_vocabulary(Index vocab_size) const;
};

}  // namespace kiln
