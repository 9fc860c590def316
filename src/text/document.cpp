// Splits a document where a token is inserted, and encodes the text between.
#include "kiln/text/document.h"

#include <algorithm>
#include <optional>

namespace kiln {
namespace {

/// Returns whether a sentence ends with the byte at `at`; `after` is what follows the text.
bool ends_sentence(std::string_view text, std::size_t at, std::string_view after) {
  if (text[at] != '.' && text[at] != '!' && text[at] != '?') return false;
  const std::string_view rest = at + 1 < text.size() ? text.substr(at + 1) : after;
  return rest.empty() || rest.front() == ' ' || (rest.front() >= '\t' && rest.front() <= '\r');
}

/// Returns the length of the line end at `at`, LF or CRLF; 0 if there is none.
std::size_t line_end(std::string_view text, std::size_t at) {
  text.remove_prefix(std::min(at, text.size()));
  return text.starts_with("\n") ? 1 : text.starts_with("\r\n") ? 2 : 0;
}

/// Returns the length of the two line ends in a row at `at`; 0 if there are fewer.
std::size_t two_line_ends(std::string_view text, std::size_t at) {
  const std::size_t first = line_end(text, at);
  const std::size_t second = first > 0 ? line_end(text, at + first) : 0;
  return second > 0 ? first + second : 0;
}

}  // namespace

std::string_view special_meaning(std::string_view content) { return content == kParagraph ? "\n\n" : ""; }

std::vector<TokenId> encode_document(const Tokenizer& tokenizer, std::string_view text, const DocumentMarks& marks,
                                     std::string_view after) {
  const std::optional<TokenId> sentence = tokenizer.special(kEndOfSentence), paragraph = tokenizer.special(kParagraph);
  std::vector<TokenId> ids;
  if (marks.start) ids.push_back(*marks.start);
  std::size_t begin = 0;  // of the text not yet encoded
  const auto encode_until = [&](std::size_t stop) {
    const std::vector<TokenId> part = tokenizer.encode(text.substr(begin, stop - begin), SpecialTokens::as_text, begin);
    ids.insert(ids.end(), part.begin(), part.end());
    begin = stop;
  };
  for (std::size_t at = 0; (sentence || paragraph) && at < text.size(); ++at) {
    if (sentence && ends_sentence(text, at, after)) {
      encode_until(at + 1);
      ids.push_back(*sentence);
    } else if (const std::size_t length = paragraph ? two_line_ends(text, at) : 0; length > 0) {
      encode_until(at);
      ids.push_back(*paragraph);
      begin += length;
      at = begin - 1;
    }
  }
  encode_until(text.size());
  if (marks.end) ids.push_back(*marks.end);
  return ids;
}

std::vector<std::uint32_t> text_bytes_by_token(const Tokenizer& tokenizer) {
  std::vector<std::uint32_t> bytes;
  if (tokenizer.type() == kTokenizerKinds[static_cast<std::size_t>(TokenizerKind::none)]) return bytes;
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    bytes.push_back(static_cast<std::uint32_t>(tokenizer.decode(std::span(&id, 1), SpecialText::meaning).size()));
  }
  return bytes;
}

std::optional<TokenId> line_feed(const Tokenizer& tokenizer) {
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.token_bytes(id) == "\n") return id;
  }
  return std::nullopt;
}

}  // namespace kiln
