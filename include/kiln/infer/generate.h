// Tokens that go on from a prompt, several samples at a time.
#pragma once

#include "kiln/infer/sampler.h"
#include "kiln/nn/language_model.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace kiln {

/// Why a sample ended: it has max_tokens; a stop text came up; an end token was drawn.
enum class Finish { length, stop, end };
inline constexpr std::array<std::string_view, 3> kFinishes{"length", "stop", "end"};
inline std::string_view name_of(Finish finish) { return kFinishes[static_cast<std::size_t>(finish)]; }

struct GenerationOptions {
  SamplingOptions sampling = {};
  Index max_tokens = 200;  // of a sample, beyond the prompt
  Index samples = 1;
  std::uint64_t seed = 1337;  // sample s draws from substream s of "sampling", however many samples there are
  std::vector<TokenId> end_tokens = {};            // each ends a sample, and is no part of it
  std::optional<Index> vocab_size = std::nullopt;  // ids from it on are not drawn: the tokenizer has none there
  bool log_probabilities = false;                  // computes those that OnToken is told

  /// Throws Error (usage) for a value out of range.
  void validate() const;
};

/// Called for each token as it is drawn; false ends that sample (Finish::stop). The log probability is the natural
/// logarithm of what the model itself gave the token, before repetition penalty, temperature and truncation, over all
/// rows of the vocabulary, as `inspect` has it; 0 where the options do not ask for it.
using OnToken = std::function<bool(Index sample, TokenId token, double log_probability)>;
/// Called once for each sample.
using OnFinish = std::function<void(Index sample, Finish finish)>;

/// Goes on from the prompt (at least one token). Samples advance together, one token at a time.
///
/// The first n_ctx positions are predicted with cached keys and values. Beyond, each token is predicted by a forward
/// of the last n_ctx tokens alone, at positions 0 to n_ctx - 1, as in training. So a longer prompt loses its beginning,
/// with a warning. The repetition penalty too looks back on n_ctx tokens.
/// Throws Error: usage for options out of range, an empty prompt, ids outside the vocabulary, or memory that cannot be
/// had; diverged for weights whose scores are not finite.
/// T is float or bfloat16.
template <class T>
void generate(const LanguageModel<T>& model, const ParameterBuffer<T>& weights, std::span<const TokenId> prompt,
              const GenerationOptions& options, const OnToken& on_token, const OnFinish& on_finish);

}  // namespace kiln
