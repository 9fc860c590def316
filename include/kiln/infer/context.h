// What generation and inspection ask of the tokens and of the scores that they are given.
#pragma once

#include "kiln/tensor/view.h"
#include "kiln/text/token.h"

#include <span>
#include <string_view>

namespace kiln {

/// The tokens that the model can look back on: the last n_ctx, with a warning where there are more.
/// Throws Error (usage) where there is none, or one outside [0, vocab_size).
std::span<const TokenId> fit_context(std::span<const TokenId> tokens, Index n_ctx, Index vocab_size);

/// Throws Error (diverged) where a logit is infinite or no number.
void check_finite(ConstVec<float> logits);

/// Throws Error (diverged): what was found of the model, and what to do.
[[noreturn]] void fail_diverged(std::string_view found);

}  // namespace kiln
