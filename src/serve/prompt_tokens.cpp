// Checks tokens before they reach the computing thread, which trusts them.
#include "serve/prompt_tokens.h"

#include "kiln/core/format.h"
#include "kiln/infer/prompt.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace kiln {

void check_fits(Index tokens, Index context) {
  if (tokens <= context) return;
  throw ApiError(400,
                 fmt::format("the prompt has {}, and the model reads at most {}; shorten it", counted(tokens, "token"),
                             format_count(context)),
                 "", {{"type", "exceed_context_size_error"}, {"n_prompt_tokens", tokens}, {"n_ctx", context}});
}

std::vector<TokenId> prompt_tokens(const ServedModel& model, const PromptInput& input, std::string_view param) {
  if (const auto* text = std::get_if<std::string>(&input)) {
    return encoded(param, [&] { return encode_prompt(model.tokenizer(), model.ids(), *text); });
  }
  std::vector<TokenId> tokens = std::get<std::vector<TokenId>>(input);
  const Index ids = std::min<Index>(model.tokenizer().vocab_size(), model.view().vocab_size);
  for (const TokenId token : tokens) {
    if (token >= 0 && token < ids) continue;
    throw ApiError(400, fmt::format("token {} is not in the vocabulary, whose ids reach from 0 to {}", token, ids - 1),
                   std::string(param));
  }
  if (tokens.empty()) throw ApiError(400, "a prompt has no tokens; at least one is needed", std::string(param));
  return tokens;
}

std::vector<TokenId> experiment_tokens(const ServedModel& model, const PromptInput& input) {
  const bool is_text = std::holds_alternative<std::string>(input);
  std::vector<TokenId> tokens = prompt_tokens(model, input, is_text ? "text" : "tokens");
  check_fits(std::ssize(tokens), model.config().n_ctx);
  if (std::ssize(tokens) <= kMostExperimentTokens) return tokens;
  throw ApiError(400,
                 fmt::format("the text has {}, and at most {} are allowed; shorten it",
                             counted(std::ssize(tokens), "token"), format_count(kMostExperimentTokens)),
                 "text");
}

}  // namespace kiln
