// Continues prompts with drawn tokens, many samples at a time.
#pragma once

#include "kiln/infer/sampler.h"
#include "kiln/nn/model_weights.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace kiln {

/// Why a sample ended: it has max_tokens, or may not outgrow the context; a stop text came up; an end token was drawn.
enum class Finish { length, stop, end };
inline constexpr std::array<std::string_view, 3> kFinishes{"length", "stop", "end"};
inline std::string_view name_of(Finish finish) { return kFinishes[static_cast<std::size_t>(finish)]; }

/// What happens when a sample has filled the context. half: the model forgets the older half of it and reads the newer
/// half again, which costs about 1.1 times as much a token as within the context. recompute: the window moves by one
/// token, and the whole of it is read again for every token. stop: the sample ends.
enum class ContextOverflow { half, recompute, stop };
inline constexpr std::array<std::string_view, 3> kContextOverflows{"half", "recompute", "stop"};

struct GenerationOptions {
  SamplingOptions sampling = {};
  Index max_tokens = 200;     // of a sample, beyond the prompt
  Index samples = 1;          // of each prompt
  std::uint64_t seed = 1337;  // sample s of a prompt draws from substream s of "sampling", whatever else is drawn
  std::vector<TokenId> end_tokens = {};            // each ends a sample, and is no part of it
  std::optional<Index> vocab_size = std::nullopt;  // ids from it on are not drawn: the tokenizer has none there
  ContextOverflow overflow = ContextOverflow::half;
  bool log_probabilities = false;  // computes those that OnToken is told

  /// Throws Error (usage) for a value out of range.
  void validate() const;
};

/// The tokens that samples continue, at least one.
using Prompt = std::vector<TokenId>;

/// Called for each token as it is drawn; false ends that sample (Finish::stop). The log probability is the natural
/// logarithm of what the model itself gave the token, before repetition penalty, temperature and truncation, over all
/// rows of the vocabulary, as `inspect` has it; 0 where the options do not ask for it.
using OnToken = std::function<bool(Index sample, TokenId token, double log_probability)>;
/// Called once for each sample.
using OnFinish = std::function<void(Index sample, Finish finish)>;

/// Continues each prompt options.samples times. Sample n belongs to prompt n / options.samples. Samples of all prompts
/// advance together, one token at a time; as one ends, the next begins in its place.
///
/// Keys and values are cached, so that a token costs one row of a forward. Of a prompt longer than n_ctx the last n_ctx
/// tokens are used. The repetition penalty looks back on n_ctx tokens.
/// Throws Error: usage for options out of range, an empty prompt, ids outside the vocabulary, or memory that cannot be
/// had; diverged for weights whose scores are not finite.
void generate(const ModelView& model, std::span<const Prompt> prompts, const GenerationOptions& options,
              const OnToken& on_token, const OnFinish& on_finish);

}  // namespace kiln
