// Prompts are documents left open.
#include "kiln/infer/prompt.h"

#include "kiln/text/document.h"

namespace kiln {
namespace {

/// The token that a text begins after, where no special start token says so.
TokenId token_before_text(const Tokenizer& tokenizer, std::optional<TokenId> begin) {
  if (begin && *begin < tokenizer.vocab_size()) return *begin;
  if (tokenizer.end_of_text()) return *tokenizer.end_of_text();
  return line_feed(tokenizer).value_or(0);
}

}  // namespace

std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, std::string_view text, SpecialTokens special,
                                   std::optional<TokenId> begin) {
  std::vector<TokenId> ids = special == SpecialTokens::allow && !text.empty()
                                 ? tokenizer.encode(text, special)
                                 : encode_document(tokenizer, text, DocumentEnd::open);
  if (ids.empty()) ids.push_back(token_before_text(tokenizer, begin));
  return ids;
}

}  // namespace kiln
