// Writes tokenizer.json as a WordLevel model in which the word "12" is token 12.
#include "kiln/text/none_tokenizer.h"

#include "kiln/core/report.h"
#include "kiln/text/text_error.h"

#include <nlohmann/json.hpp>

#include "text/tokenizer_schema.h"
#include <algorithm>
#include <charconv>

namespace kiln {

void append_ids(std::string_view text, std::size_t offset, std::string_view expected, std::int64_t vocab_size,
                std::vector<TokenId>& ids) {
  constexpr std::string_view kSpaces = " \t\r\n";
  for (std::size_t at = 0; (at = text.find_first_not_of(kSpaces, at)) != std::string_view::npos;) {
    const std::string_view word = text.substr(at, std::min(text.find_first_of(kSpaces, at), text.size()) - at);
    TokenId id = -1;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size()) {
      throw TextError(ExitCode::usage, "", offset + at, word.data(), brief_json(word.substr(0, 40)),
                      fmt::format("is not a token id; {}", expected));
    }
    if (id < 0 || id >= vocab_size) {
      throw TextError(ExitCode::usage, "", offset + at, word.data(), fmt::format("token id {}", id),
                      fmt::format("is not in the vocabulary; its ids are 0 to {}", vocab_size - 1));
    }
    ids.push_back(id);
    at += word.size();
  }
}

NoneTokenizer::NoneTokenizer(std::int64_t vocab_size) : Tokenizer({}), vocab_size_(vocab_size) {}

std::unique_ptr<Tokenizer> NoneTokenizer::make(const TokenizerConfig& config, std::span<const std::string_view>) {
  return std::make_unique<NoneTokenizer>(config.vocab_size);
}

std::string NoneTokenizer::token_bytes(TokenId id) const {
  check_id(id);
  return std::to_string(id);
}

std::string NoneTokenizer::decode(std::span<const TokenId> ids, SpecialText) const {
  std::string text;
  for (const TokenId id : ids) {
    if (!text.empty()) text += ' ';
    text += token_bytes(id);
  }
  return text;
}

void NoneTokenizer::encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const {
  append_ids(text, offset, "the tokenizer is \"none\", so text is ids separated by spaces, such as \"12 7 33\"",
             vocab_size_, ids);
  Work::advance(std::ssize(text));
}

Json NoneTokenizer::to_json() const {
  Json vocab = Json::object();
  for (TokenId id = 0; id < vocab_size_; ++id) append_member(vocab, std::to_string(id), id);
  return tokenizer_document({}, Json{{"type", "WhitespaceSplit"}}, nullptr,
                            Json{{"type", "WordLevel"}, {"vocab", std::move(vocab)}, {"unk_token", "<unk>"}});
}

}  // namespace kiln
