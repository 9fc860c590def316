// Decodes each token together with the one before it.
#include "kiln/infer/token_stream.h"

#include "kiln/text/chat_template.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace kiln {

TokenStream::TokenStream(const Tokenizer& tokenizer, std::vector<std::string> stops, std::optional<TokenId> previous,
                         Trim trim)
    : tokenizer_(&tokenizer), previous_(previous), trim_(trim) {
  for (const std::string& stop : stops) {
    if (const std::optional<TokenId> token = tokenizer.special(stop)) stop_tokens_.push_back(*token);
  }
  stream_ = TextStream(std::move(stops));
}

std::string TokenStream::push(TokenId token) {
  if (stopped()) return {};
  stopped_ = std::ranges::find(stop_tokens_, token) != stop_tokens_.end();
  if (stopped_) return {};
  std::string text = stream_.push(text_of(token));
  previous_ = token;
  return trimmed(std::move(text));
}

/// Returns what of the held and the new text has become certain: nothing before the first word, and no white space
/// until a word follows it.
std::string TokenStream::trimmed(std::string text) {
  if (trim_ == Trim::no) return text;
  held_ += text;
  const std::string_view words = trim_content(held_);
  if (words.empty()) return {};
  const auto end = static_cast<std::size_t>(words.data() - held_.data()) + words.size();
  text = begun_ ? held_.substr(0, end) : std::string(words);
  begun_ = true;
  held_.erase(0, end);
  return text;
}

/// Returns the text that a token adds after the previous one.
std::string TokenStream::text_of(TokenId token) const {
  const std::array pair{previous_.value_or(token), token};
  const std::span<const TokenId> both(pair), first = both.first(1);
  if (!previous_) return tokenizer_->decode(first, SpecialText::meaning);
  const std::size_t known = tokenizer_->decode(first, SpecialText::meaning).size();
  return tokenizer_->decode(both, SpecialText::meaning).substr(known);
}

}  // namespace kiln
