// What a user types, any bytes: as a prompt for tokenizers of every kind, in pieces, as shares, and streamed back.
#include "kiln/infer/prompt.h"

#include "kiln/core/utf8.h"
#include "kiln/infer/text_stream.h"
#include "kiln/text/document.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/pretokenizer.h"

#include "round_trip.h"
#include "target.h"

namespace kiln::fuzz {
namespace {

/// One of each kind, with every special token that has a role.
std::vector<std::unique_ptr<Tokenizer>> make_tokenizers() {
  constexpr std::string_view kText = "The cat sat, and the cats' hats sat. That's that!\n\nCaf\xC3\xA9 12 345.\n";
  std::vector<std::unique_ptr<Tokenizer>> tokenizers;
  for (const TokenizerMaker& maker : kTokenizers) {
    TokenizerConfig config;
    config.vocab_size = 300;
    config.special_tokens.clear();
    if (maker.kind != TokenizerKind::none) {
      for (const std::string_view role : {kStart, kEndOfText, kEndOfSentence, kParagraph}) {
        config.special_tokens.emplace_back(role);
      }
    }
    tokenizers.push_back(maker.make(config, {&kText, 1}));
    if (maker.kind != TokenizerKind::bpe) continue;
    config.pattern = SplitPattern::cl100k;
    config.special_tokens = {"ca", "cat"};  // one begins with another
    tokenizers.push_back(maker.make(config, {&kText, 1}));
  }
  return tokenizers;
}

/// The text with every two line ends in a row, LF or CRLF, as two line feeds, for which <|paragraph|> stands.
std::string with_line_feeds(std::string_view text) {
  std::string result;
  const auto line_end = [&](std::size_t at) {
    return text.substr(std::min(at, text.size())).starts_with("\r\n") ? 2
           : at < text.size() && text[at] == '\n'                     ? 1
                                                                      : 0;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t first = static_cast<std::size_t>(line_end(at));
    const std::size_t second = first > 0 ? static_cast<std::size_t>(line_end(at + first)) : 0;
    result += second > 0 ? "\n\n" : std::string(1, text[at]);
    at += second > 0 ? first + second : 1;
  }
  return result;
}

void check_prompt(const Tokenizer& tokenizer, std::string_view text) {
  for (const SpecialTokens special : {SpecialTokens::as_text, SpecialTokens::allow}) {
    require_round_trip(tokenizer, text, special);
    std::vector<TokenId> ids;
    try {
      ids = encode_prompt(tokenizer, special_ids(tokenizer, TokenizerConfig()), text, special);
    } catch (const Error&) {
      require(tokenizer.type() == "char" || tokenizer.type() == "none", "a prompt that {} cannot encode",
              tokenizer.type());
      continue;
    }
    require(!ids.empty(), "a prompt without tokens");
    for (const TokenId id : ids) require(id >= 0 && id < tokenizer.vocab_size(), "token {}", id);
    if (text.empty() || special == SpecialTokens::allow || tokenizer.type() == "none") continue;
    const std::string expected = tokenizer.special(kParagraph) ? with_line_feeds(text) : std::string(text);
    require(tokenizer.decode(ids, SpecialText::meaning) == expected, "decoded by their meaning to another text");
  }
}

/// Pieces are the text, and those of the shares that threads take are the same.
void check_pieces(SplitPattern pattern, std::string_view text) {
  constexpr std::size_t kShare = 7;
  const std::vector<std::string_view> pieces = must([&] { return split_pieces(pattern, text); });
  std::size_t at = 0, next = 0;
  for (const std::string_view piece : pieces) {
    require(!piece.empty() && piece.data() == text.data() + at, "a piece that is not the next");
    at += piece.size();
  }
  require(at == text.size(), "{} bytes in pieces, of {}", at, text.size());
  for (const std::string_view share : split_shares(text, kShare)) {
    for (const std::string_view piece : split_pieces(pattern, share)) {
      require(next < pieces.size() && piece.data() == pieces[next].data() && piece.size() == pieces[next].size(),
              "piece {} is another one within its share", next);
      ++next;
    }
  }
  require(next == pieces.size(), "{} pieces in shares, of {}", next, pieces.size());
}

std::string streamed(std::string_view text, std::size_t step, const std::vector<std::string>& stops) {
  TextStream stream(stops);
  std::string all;
  for (std::size_t at = 0; at < text.size(); at += step) {
    const std::string part = stream.push(text.substr(at, step));
    require(utf8_valid_until(part, 0) == part.size(), "streamed bytes that are no text");
    all += part;
  }
  return all + stream.finish();
}

}  // namespace

void fuzz_prompt(std::string_view input) {
  static const std::vector<std::unique_ptr<Tokenizer>> tokenizers = make_tokenizers();
  for (const auto& tokenizer : tokenizers) check_prompt(*tokenizer, input);
  for (const SplitPattern pattern : {SplitPattern::gpt2, SplitPattern::cl100k, SplitPattern::gpt2_digits})
    check_pieces(pattern, input);
  for (const std::vector<std::string>& stops : {std::vector<std::string>{}, {"\n\n", "\n.", "cat"}}) {
    const std::string whole = streamed(input, input.size() + 1, stops);
    for (const std::size_t step : {1u, 3u}) require(streamed(input, step, stops) == whole, "streamed as another text");
  }
}

}  // namespace kiln::fuzz
