// Finds the tokens of a request's prompt, and refuses those that a model cannot read.
#pragma once

#include "kiln/core/error.h"
#include "kiln/serve/served_model.h"

#include "serve/api_error.h"
#include "serve/generation_request.h"
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Calls encode(); what the tokenizer or the template refuses becomes an ApiError (400).
template <class Encode>
auto encoded(std::string_view param, const Encode& encode) {
  try {
    return encode();
  } catch (const Error& error) {
    throw ApiError(400, error.what(), std::string(param));
  }
}

/// Throws ApiError (400) for a prompt that is longer than the context.
void check_fits(Index tokens, Index context);

/// Returns the tokens of a text, at least one, or those that were sent. Throws ApiError (400) for tokens that are not
/// in the vocabulary, and for none.
std::vector<TokenId> prompt_tokens(const ServedModel& model, const PromptInput& input, std::string_view param);

/// Most tokens of a text whose gradient is computed, or whose loss at many places, so that no piece of work takes long.
inline constexpr Index kMostExperimentTokens = 256;

/// Returns the tokens of such a text, of the request's "text" or "tokens". Throws ApiError (400), also if they exceed
/// the context or kMostExperimentTokens.
std::vector<TokenId> experiment_tokens(const ServedModel& model, const PromptInput& input);

}  // namespace kiln
