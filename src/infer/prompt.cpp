// Encodes prompts as documents without an end.
#include "kiln/infer/prompt.h"

#include "kiln/text/document.h"

namespace kiln {
std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, const SpecialIds& ids, std::string_view text,
                                   SpecialTokens special) {
  std::vector<TokenId> tokens = special == SpecialTokens::allow && !text.empty()
                                    ? tokenizer.encode(text, special)
                                    : encode_document(tokenizer, text, {.start = ids.start, .end = {}});
  if (tokens.empty()) tokens.push_back(ids.begin ? *ids.begin : line_feed(tokenizer).value_or(0));
  return tokens;
}

}  // namespace kiln
