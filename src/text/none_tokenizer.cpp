// In tokenizer.json: a WordLevel model in which the word "12" is token 12.
#include "kiln/text/none_tokenizer.h"

#include "kiln/core/error.h"
#include "kiln/core/progress_bar.h"
#include "kiln/text/tokenizer_schema.h"
#include "kiln/text/utf8.h"

#include <nlohmann/json.hpp>

#include <charconv>

namespace kiln {

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
  constexpr std::string_view kSpaces = " \t\r\n";
  for (std::size_t at = text.find_first_not_of(kSpaces); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpaces, at), text.size());
    const std::string_view word = text.substr(at, end - at);
    TokenId id = -1;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    check(error == std::errc{} && stop == word.data() + word.size(),
          "\"{}\" at byte {} is not a token id; the tokenizer is \"none\", so text is ids separated by spaces, "
          "such as \"12 7 33\"",
          utf8_replace_invalid(word.substr(0, 40)), offset + at);
    check_id(id);
    ids.push_back(id);
    at = text.find_first_not_of(kSpaces, end);
  }
  ProgressBar::advance(std::ssize(text));
}

Json NoneTokenizer::to_json() const {
  Json vocab = Json::object();
  for (TokenId id = 0; id < vocab_size_; ++id) append_member(vocab, std::to_string(id), id);
  return tokenizer_document({}, Json{{"type", "WhitespaceSplit"}}, nullptr,
                            Json{{"type", "WordLevel"}, {"vocab", std::move(vocab)}, {"unk_token", "<unk>"}});
}

}  // namespace kiln
