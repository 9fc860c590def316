// Continues prompts with drawn tokens, in batches of samples.
#pragma once

#include "kiln/infer/decoder.h"
#include "kiln/nn/model_weights.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace kiln {

/// What the draws of a sample depend on besides the seed: its number among the prompt's samples, so that all prompts
/// share draws; this number and the prompt, so that different prompts have independent draws; or its number among all
/// samples of all calls, so that no two have the same draws.
enum class DrawStream { of_sample, of_prompt, of_number };

struct GenerationOptions {
  SamplingOptions sampling = {};
  Index max_tokens = 200;     // of a sample, beyond the prompt
  Index samples = 1;          // of each prompt
  std::uint64_t seed = 1337;  // of the draws, which come from substreams of "sampling"
  DrawStream draws = DrawStream::of_sample;
  std::uint64_t first_number = 0;                  // of the first sample, for DrawStream::of_number
  std::vector<TokenId> end_tokens = {};            // each ends a sample
  bool keeps_end = false;                          // OnToken gets the end token too, else it is not part of the sample
  std::optional<Index> vocab_size = std::nullopt;  // of the tokenizer: larger ids are not drawn
  ContextOverflow overflow = ContextOverflow::half;
  LogProbabilities log_probabilities = LogProbabilities::none;

  /// Throws Error (usage) for a value out of range.
  void validate() const;
};

/// The tokens to continue, at least one.
using Prompt = std::vector<TokenId>;

/// Called for each drawn token; returning false ends the sample (Finish::stop). The log probability is that of the
/// options, 0 if they request none.
using OnToken = std::function<bool(Index sample, TokenId token, double log_probability)>;
/// Called once at the end of each sample.
using OnFinish = std::function<void(Index sample, Finish finish)>;

/// Continues each prompt options.samples times. Sample n belongs to prompt n / options.samples. Samples of all prompts
/// advance together, one token at a time; when one ends, the next takes its place.
///
/// Keys and values are cached, so that a token costs one row of a forward. Prompts longer than n_ctx are cut to their
/// last n_ctx tokens. The repetition penalty covers the last n_ctx tokens.
/// Throws Error: usage for options out of range, an empty prompt, ids outside the vocabulary, or memory that cannot be
/// allocated; diverged if logits are not finite.
void generate(const ModelView& model, std::span<const Prompt> prompts, const GenerationOptions& options,
              const OnToken& on_token, const OnFinish& on_finish);

}  // namespace kiln
