// Checks prompts and logits for generation and inspection, and counts the cache's memory.
#pragma once

#include "kiln/nn/model_weights.h"
#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <cstddef>
#include <span>
#include <string_view>

namespace kiln {

/// Returns the tokens that fit into the context: the last n_ctx.
/// Throws Error (usage) if there is none, or one outside [0, vocab_size).
std::span<const TokenId> fit_context(std::span<const TokenId> tokens, Index n_ctx, Index vocab_size);

inline constexpr std::size_t kCacheBytes = std::size_t{1} << 30;  // of keys and values, unless a sequence needs more

/// Returns the bytes of the keys and values of this many positions.
std::size_t cache_bytes(const ModelView& model, Index positions);

/// Throws Error (diverged) if a logit is infinite or NaN.
void check_finite(ConstVec<float> logits);

/// Throws Error (diverged) with the finding and advice.
[[noreturn]] void fail_diverged(std::string_view found);

}  // namespace kiln
