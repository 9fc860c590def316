// Answers llama.cpp's paths for texts and tokens.
#include "kiln/core/error.h"
#include "kiln/core/utf8.h"

#include "serve/api_error.h"
#include "serve/generation_request.h"
#include "serve/request_fields.h"
#include "serve/routes.h"

namespace kiln {
namespace {

/// Returns the bytes of a token as text, or as a list of numbers where they are not whole characters.
Json piece_of(const std::string& bytes) {
  if (utf8_valid_until(bytes) == bytes.size()) return bytes;
  Json numbers = Json::array();
  for (const char byte : bytes) numbers.push_back(static_cast<unsigned char>(byte));
  return numbers;
}

}  // namespace

void answer_tokenize(const RouteContext& context) {
  const Json body = parse_body(context.request.body);
  RequestFields fields(body);
  const Engine::Model model = context.engine.model(fields.text("model").value_or(""));
  const std::optional<std::string> text = fields.text("content");
  const auto special = fields.boolean("parse_special").value_or(true) ? SpecialTokens::allow : SpecialTokens::as_text;
  const bool adds_start = fields.boolean("add_special").value_or(false) && model->ids().start;
  const bool has_pieces = fields.boolean("with_pieces").value_or(false);
  fields.refuse_unknown();
  if (!text) fields.refuse("content", "is missing");
  std::vector<TokenId> ids;
  try {
    ids = model->tokenizer().encode(*text, special);
  } catch (const Error& error) {
    throw ApiError(400, error.what(), "content");
  }
  if (adds_start) ids.insert(ids.begin(), *model->ids().start);
  if (!has_pieces) return context.send({{"tokens", ids}});
  Json tokens = Json::array();
  for (const TokenId id : ids) {
    const std::string bytes = model->tokenizer().decode(std::span(&id, 1), SpecialText::content);
    tokens.push_back({{"id", id}, {"piece", piece_of(bytes)}});
  }
  context.send({{"tokens", std::move(tokens)}});
}

void answer_detokenize(const RouteContext& context) {
  const Json body = parse_body(context.request.body);
  RequestFields fields(body);
  const Engine::Model model = context.engine.model(fields.text("model").value_or(""));
  const Json* tokens = fields.find_array("tokens");
  fields.refuse_unknown();
  if (tokens == nullptr) fields.refuse("tokens", "is missing");
  const Constraint known = between(0, static_cast<double>(model->tokenizer().vocab_size() - 1));
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < tokens->size(); ++i) {
    ids.push_back(static_cast<TokenId>(to_integer(fmt::format("tokens[{}]", i), (*tokens)[i], known)));
  }
  context.send({{"content", utf8_replace_invalid(model->tokenizer().decode(ids, SpecialText::content))}});
}

void answer_apply_template(const RouteContext& context) {
  const GenerationRequest chat = read_chat_request(context.request.body);
  const Engine::Model model = context.engine.model(chat.model);
  context.send({{"prompt", model->chat().text(chat.messages, true)}});
}

}  // namespace kiln
