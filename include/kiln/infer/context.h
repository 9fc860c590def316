// Checks prompts and logits for generation and inspection.
#pragma once

#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <span>
#include <string_view>

namespace kiln {

/// Returns the tokens that fit into the context: the last n_ctx.
/// Throws Error (usage) if there is none, or one outside [0, vocab_size).
std::span<const TokenId> fit_context(std::span<const TokenId> tokens, Index n_ctx, Index vocab_size);

/// Throws Error (diverged) if a logit is infinite or NaN.
void check_finite(ConstVec<float> logits);

/// Throws Error (diverged) with the finding and advice.
[[noreturn]] void fail_diverged(std::string_view found);

}  // namespace kiln
