// A document is cut where a token is to be inserted; what lies between is encoded as it stands.
#include "kiln/text/document.h"

#include <algorithm>
#include <optional>

namespace kiln {
namespace {

bool ends_sentence(std::string_view text, std::size_t at) {
  if (text[at] != '.' && text[at] != '!' && text[at] != '?') return false;
  return at + 1 == text.size() || text[at + 1] == ' ' || (text[at + 1] >= '\t' && text[at + 1] <= '\r');
}

}  // namespace

std::string_view special_meaning(std::string_view content) { return content == kParagraph ? "\n\n" : ""; }

std::vector<TokenId> encode_document(const Tokenizer& tokenizer, std::string_view text, DocumentEnd end) {
  const std::optional<TokenId> start = tokenizer.special(kStart), sentence = tokenizer.special(kEndOfSentence),
                               paragraph = tokenizer.special(kParagraph), last = tokenizer.end_of_text();
  std::vector<TokenId> ids;
  if (start) ids.push_back(*start);
  std::size_t begin = 0;  // of the text that is not encoded yet
  const auto encode_until = [&](std::size_t stop) {
    const std::vector<TokenId> part = tokenizer.encode(text.substr(begin, stop - begin), SpecialTokens::as_text, begin);
    ids.insert(ids.end(), part.begin(), part.end());
    begin = stop;
  };
  for (std::size_t at = 0; (sentence || paragraph) && at < text.size(); ++at) {
    if (sentence && ends_sentence(text, at)) {
      encode_until(at + 1);
      ids.push_back(*sentence);
    } else if (paragraph && text.substr(at).starts_with(special_meaning(kParagraph))) {
      encode_until(at);
      ids.push_back(*paragraph);
      begin += special_meaning(kParagraph).size();
      at = begin - 1;
    }
  }
  encode_until(text.size());
  if (end == DocumentEnd::end_of_text && last) ids.push_back(*last);
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
