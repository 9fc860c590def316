// Checks prompts and logits; counts the cache's memory.
#include "kiln/infer/context.h"

#include "kiln/core/error.h"

#include <algorithm>

namespace kiln {

std::span<const TokenId> fit_context(std::span<const TokenId> tokens, Index n_ctx, Index vocab_size) {
  check(!tokens.empty(), "the prompt has no tokens; at least one is needed");
  for (const TokenId token : tokens) {
    check(token >= 0 && token < vocab_size,
          "the prompt has token {}, the model knows ids 0 to {}; was it trained with another tokenizer?", token,
          vocab_size - 1);
  }
  return tokens.last(std::min(tokens.size(), static_cast<std::size_t>(n_ctx)));
}

std::size_t cache_bytes(const ModelView& model, Index positions) {
  const ModelConfig& config = model.config;
  const std::size_t element = model.precision == Precision::bf16 ? sizeof(bfloat16) : sizeof(float);
  return static_cast<std::size_t>(2 * config.n_layers * positions * config.kv_heads() * config.head_size()) * element;
}

void check_finite(ConstVec<float> logits) {
  if (!logits.allFinite()) fail_diverged("the model's scores for the next token are not finite");
}

void fail_diverged(std::string_view found) {
  fail(ExitCode::diverged,
       "{}: its weights hold NaN or are far too large; take an earlier checkpoint (--checkpoint STEP), or copy or "
       "download the model again",
       found);
}

}  // namespace kiln
