// Computes the loss over a text, exactly over all of it or estimated from a part.
#pragma once

#include "kiln/core/world.h"
#include "kiln/data/batch.h"
#include "kiln/kernels/precision.h"
#include "kiln/nn/model_config.h"
#include "kiln/run/objective_config.h"
#include "kiln/tensor/parameters.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// Tokens evaluated in the time of one trained; assumed where it is not measured.
inline constexpr double kForwardSpeed = 2.5;

struct Evaluation {
  double loss = 0;                      // nats per token, averaged over all targets
  std::optional<double> margin;         // 95% interval: loss +- margin, from the spread of the sequences' sums;
                                        // null for a single sequence
  double accuracy = 0;                  // share of targets that were the likeliest token
  std::optional<double> end_accuracy;   // the same of the targets that end a turn; null if there are none
  Index tokens = 0;                     // targets scored: all except the first token and those that follow a border
  std::optional<double> bits_per_byte;  // of the text of the scored targets; null if that is unknown or empty
  std::optional<double> reward_mean, reward_deviation;  // of judged answers
  std::optional<double> reward, gold, kl;  // of a policy's answers: mean rewards, nats per answer from the reference
  double seconds = 0;
  std::string part = {};               // its name, if this is a part of another evaluation
  std::vector<Evaluation> parts = {};  // of several parts, those with a scored target

  double perplexity() const;
  double tokens_per_second() const { return static_cast<double>(tokens) / seconds; }
};

/// Scores texts and conversations. Ranks share the batches, and all have the same result.
class Evaluator {
 public:
  Evaluator() = default;
  virtual ~Evaluator() = default;
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// Called between batches with the share done, in [0, 1], on all ranks alike. Its exceptions end the evaluation.
  using Progress = std::function<void(double)>;

  /// Scores each target of the source once, and its parts also by themselves; a batch may have evaluation_rows().
  /// Throws Error: bad_input for a token outside the vocabulary; usage if no token is scored.
  virtual Evaluation evaluate(Weights weights, const EvaluationSource& source, const Progress& progress = {}) = 0;

  /// Scores a whole text, with attention across its documents. Throws Error (usage) if it has fewer than 2 tokens.
  Evaluation evaluate(Weights weights, const TokenFile& tokens, const Progress& progress = {});

 private:
  virtual const ModelConfig& config() const = 0;
};

/// Returns the most rows of a batch: those of about a thousand tokens, at least n_ctx.
Index evaluation_rows(const ModelConfig& config);

/// Returns the windows of a text that an evaluation scores: all, or evenly spread ones with about `most_tokens` targets
/// (data/batcher.h). No attention crosses a token `border`. Throws Error (usage) if the text has fewer than 2 tokens.
std::unique_ptr<EvaluationSource> make_text_evaluation(const ModelConfig& config, const TokenFile& tokens,
                                                       Index most_tokens = std::numeric_limits<Index>::max(),
                                                       std::optional<TokenId> border = {});

/// Returns an evaluator that computes in this precision. `text_bytes` (text_bytes_by_token) are the bytes of text of
/// each id; without them bits per byte are unknown. `end_of_turn` is the token of end_accuracy. Allocates memory for
/// batches of evaluation_rows().
std::unique_ptr<Evaluator> make_evaluator(const ModelConfig& config, Index vocab_size, Precision precision,
                                          std::vector<std::uint32_t> text_bytes = {},
                                          std::optional<TokenId> end_of_turn = {}, World& world = World::alone());

/// Returns an evaluator of judged answers: its loss is that of the objective over comparisons, its accuracy the share
/// of comparisons, by weight and without ties, whose chosen answer has the highest reward. The interval counts batches.
/// `rows` of a batch, at most.
std::unique_ptr<Evaluator> make_preference_evaluator(const ModelConfig& config, Index vocab_size, Precision precision,
                                                     const ObjectiveConfig& objective, Index rows,
                                                     World& world = World::alone());

/// Returns the bytes of an evaluator without allocating them.
std::size_t evaluator_bytes(const ModelConfig& config, Index vocab_size, Precision precision);

}  // namespace kiln
