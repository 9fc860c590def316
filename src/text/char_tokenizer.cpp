// Writes tokenizer.json as BPE over characters without merges.
#include "text/char_tokenizer.h"

#include "kiln/core/error.h"
#include "kiln/core/report.h"
#include "kiln/core/utf8.h"
#include "kiln/text/text_error.h"

#include <nlohmann/json.hpp>

#include "text/tokenizer_schema.h"
#include <set>

namespace kiln {
namespace {

/// Describes a character for a message: itself and its code point, or only the code point if it is not printable.
std::string describe(char32_t character) {
  const auto code_point = static_cast<std::uint32_t>(character);
  const bool prints = code_point > 0x20 && code_point != 0x7F && !(code_point >= 0x80 && code_point <= 0xA0);
  return prints ? fmt::format("'{}' (U+{:04X})", utf8_encode(character), code_point)
                : fmt::format("U+{:04X}", code_point);
}

std::string describe_byte(char byte) { return fmt::format("0x{:02X}", static_cast<unsigned char>(byte)); }

}  // namespace

CharTokenizer::CharTokenizer(std::u32string characters, std::vector<SpecialToken> special_tokens)
    : Tokenizer(std::move(special_tokens)), characters_(std::move(characters)) {
  ascii_.fill(-1);
  for (std::size_t i = 0; i < characters_.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (characters_[i] < ascii_.size()) ascii_[characters_[i]] = id;
    ids_.emplace(characters_[i], id);
  }
}

std::unique_ptr<Tokenizer> CharTokenizer::make(const TokenizerConfig& config,
                                               std::span<const std::string_view> documents) {
  std::array<bool, 128> ascii{};
  std::set<char32_t> characters;
  for (std::size_t document = 0; document < documents.size(); ++document) {
    const std::string_view text = documents[document];
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t length = utf8_length(text, at);
      if (length == 0) {
        throw TextError(ExitCode::bad_input, fmt::format("document {}", document + 1), at, text.data() + at,
                        describe_byte(text[at]),
                        "is not UTF-8, which tokenizer.type \"char\" needs; convert the text, or use \"bpe\" or "
                        "\"byte\"");
      }
      if (length == 1) {
        ascii[static_cast<unsigned char>(text[at])] = true;
      } else {
        characters.insert(utf8_decode(text, at, length));
      }
      at += length;
    }
  }
  for (std::size_t i = 0; i < ascii.size(); ++i) {
    if (ascii[i]) characters.insert(static_cast<char32_t>(i));
  }
  check(!characters.empty(), "the text is empty: tokenizer.type \"char\" takes its vocabulary from it");
  for (const std::string& content : config.special_tokens) {
    check(content.empty() || utf8_length(content, 0) < content.size() ||
              !characters.contains(utf8_decode(content, 0, content.size())),
          "special token \"{}\" is a character of the text; give it a longer name", content);
  }
  const auto first_special = static_cast<TokenId>(characters.size());
  return std::make_unique<CharTokenizer>(std::u32string(characters.begin(), characters.end()),
                                         number_special_tokens(config.special_tokens, first_special));
}

std::string CharTokenizer::token_bytes(TokenId id) const {
  check_id(id);
  const SpecialToken* special = special_by_id(id);
  return special != nullptr ? special->content : utf8_encode(characters_[static_cast<std::size_t>(id)]);
}

void CharTokenizer::encode_text(std::string_view text, std::size_t offset, std::vector<TokenId>& ids) const {
  ids.reserve(ids.size() + text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < ascii_.size() && ascii_[first] >= 0) {
      ids.push_back(ascii_[first]);
      ++at;
      continue;
    }
    const std::size_t length = utf8_length(text, at);
    if (length == 0) {
      throw TextError(ExitCode::usage, "", offset + at, text.data() + at, describe_byte(text[at]),
                      "is not UTF-8; this tokenizer knows characters only");
    }
    const char32_t character = utf8_decode(text, at, length);
    const auto found = ids_.find(character);
    if (found == ids_.end()) {
      throw TextError(
          ExitCode::usage, "", offset + at, text.data() + at, "character " + describe(character),
          fmt::format("is not among the {} that the tokenizer knows; leave it out, train with a text that has it, or "
                      "use tokenizer.type \"bpe\", which takes any text",
                      characters_.size()));
    }
    ids.push_back(found->second);
    at += length;
  }
  Work::advance(std::ssize(text));
}

Json CharTokenizer::to_json() const {
  Json vocab = Json::object();
  for (TokenId id = 0; id < vocab_size(); ++id) append_member(vocab, token_bytes(id), id);
  return tokenizer_document(special_tokens(), nullptr, Json{{"type", "Fuse"}},
                            bpe_model_json(std::move(vocab), Json::array()));
}

}  // namespace kiln
