// Chooses the tokens of the embedding's map, and sends where they lie.
#include "kiln/core/utf8.h"
#include "kiln/infer/embedding_map.h"

#include "serve/api_error.h"
#include "serve/inspection.h"
#include "serve/inspection_json.h"
#include <algorithm>
#include <cmath>
#include <utility>

namespace kiln {
namespace {

constexpr int kDigits = 5;

bool is_readable(const Tokenizer& tokenizer, TokenId token) {
  if (tokenizer.special_by_id(token) != nullptr) return false;
  const std::string bytes = tokenizer.token_bytes(token);
  const bool shows = std::ranges::any_of(bytes, [](char c) { return static_cast<unsigned char>(c) > ' '; });
  const bool is_control =
      std::ranges::any_of(bytes, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
  return shows && !is_control && utf8_valid_until(bytes) == bytes.size();
}

/// Returns the tokens to show: the first that people can read, then those that were named, each once.
std::vector<TokenId> tokens_to_show(const Tokenizer& tokenizer, const EmbeddingsRequest& request, Index tokens) {
  std::vector<TokenId> shown;
  for (TokenId token = 0; token < tokens && std::ssize(shown) < request.first; ++token) {
    if (is_readable(tokenizer, token)) shown.push_back(token);
  }
  for (const TokenId token : request.tokens) {
    if (std::ranges::find(shown, token) == shown.end()) shown.push_back(token);
  }
  return shown;
}

void check_token(TokenId token, Index tokens, std::string_view param) {
  if (token < tokens) return;
  throw ApiError(400, fmt::format("token {} is not in the vocabulary, whose ids reach from 0 to {}", token, tokens - 1),
                 std::string(param));
}

Json map_json(const InspectedModel& model, const EmbeddingsRequest& request, Index tokens) {
  const Tokenizer& tokenizer = model.served->tokenizer();
  const std::vector<TokenId> shown = tokens_to_show(tokenizer, request, tokens);
  Json json = model.description();
  json["object"] = "embedding_map";
  if (!shown.empty()) {
    const EmbeddingMap map = map_embeddings(model.view(), tokens);
    json["variance"] = {rounded(map.variance[0], kDigits), rounded(map.variance[1], kDigits)};
    json["points"] = Json::array();
    for (const TokenId token : shown) {
      Json point = token_json(tokenizer, token);
      point["x"] = rounded(static_cast<double>(map.places(token, 0)), kDigits);
      point["y"] = rounded(static_cast<double>(map.places(token, 1)), kDigits);
      json["points"].push_back(std::move(point));
    }
  }
  if (!request.neighbours_of) return json;
  json["neighbours"] = Json::array();
  for (const Neighbour& near : nearest_tokens(model.view(), *request.neighbours_of, request.count, tokens)) {
    Json neighbour = token_json(tokenizer, near.token);
    neighbour["cosine"] = rounded(near.cosine, kDigits);
    json["neighbours"].push_back(std::move(neighbour));
  }
  return json;
}

}  // namespace

void begin_embedding_map(Inside& inside, const InspectedModel& model, const EmbeddingsRequest& request,
                         std::shared_ptr<HttpResponse> response) {
  const Index tokens = std::min<Index>(model.served->tokenizer().vocab_size(), model.view().vocab_size);
  for (const TokenId token : request.tokens) check_token(token, tokens, "tokens");
  if (request.neighbours_of) check_token(*request.neighbours_of, tokens, "neighbours_of");
  inside.work.add([model, request, tokens, response = std::move(response)] {
    try {
      response->send({.body = map_json(model, request, tokens).dump()});
    } catch (const std::exception& error) {
      response->send(ApiError(500, error.what()).reply());
    }
    return false;
  });
}

}  // namespace kiln
