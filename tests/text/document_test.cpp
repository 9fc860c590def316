// Where special tokens are put into documents.
#include "kiln/text/document.h"

#include "fixtures.h"

namespace kiln {
namespace {

std::unique_ptr<Tokenizer> with_special(std::vector<std::string> special) {
  TokenizerConfig config;
  config.type = TokenizerKind::byte;
  config.special_tokens = std::move(special);
  return make_tokenizer(config, {});
}

enum class Kind { document, prompt };

std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text, Kind kind = Kind::document) {
  DocumentMarks marks = special_ids(tokenizer, TokenizerConfig()).marks();
  if (kind == Kind::prompt) marks.end.reset();
  return encode_document(tokenizer, text, marks);
}

std::string shown(const Tokenizer& tokenizer, std::string_view text, Kind kind = Kind::document) {
  return tokenizer.decode(encode(tokenizer, text, kind));
}

TEST(Document, EndsWithEndOfTextWhereThereIsOne) {
  const auto tokenizer = with_special({"<|endoftext|>"});
  EXPECT_EQ(shown(*tokenizer, "One. Two.\n\nThree"), "One. Two.\n\nThree<|endoftext|>");
  EXPECT_EQ(shown(*tokenizer, "One.", Kind::prompt), "One.");
  EXPECT_EQ(shown(*with_special({}), "One."), "One.");
}

TEST(Document, SpecialTokensAreInsertedByTheirRoles) {
  const auto tokenizer =
      with_special({"<|start|>", "<|endoftext|>", "<|endofsentence|>", "<|paragraph|>", "<|other|>"});
  EXPECT_EQ(shown(*tokenizer, "Who? Me! 3.14 e.g.\nyes.\n\nSo... be it."),
            "<|start|>Who?<|endofsentence|> Me!<|endofsentence|> 3.14 e.g.<|endofsentence|>\nyes.<|endofsentence|>"
            "<|paragraph|>So...<|endofsentence|> be it.<|endofsentence|><|endoftext|>");
  EXPECT_EQ(shown(*tokenizer, ""), "<|start|><|endoftext|>");
  EXPECT_EQ(shown(*tokenizer, "\n\n\n\n\nx", Kind::prompt), "<|start|><|paragraph|><|paragraph|>\nx");
}

TEST(Document, APartGetsNoTokensWhereItWasCut) {
  const auto tokenizer = with_special({"<|start|>", "<|endoftext|>", "<|endofsentence|>"});
  const auto part = [&](std::string_view text, const DocumentMarks& marks, std::string_view after) {
    return tokenizer->decode(encode_document(*tokenizer, text, marks, after));
  };
  EXPECT_EQ(part("It is 3.", {.start = 256, .end = {}}, "14"), "<|start|>It is 3.");
  EXPECT_EQ(part("It is 3.", {.start = 256, .end = {}}, "\nYes"), "<|start|>It is 3.<|endofsentence|>");
  EXPECT_EQ(part("14.", {.start = {}, .end = 257}, ""), "14.<|endofsentence|><|endoftext|>");
}

TEST(Document, WhatCannotBeEncodedIsNamedByItsPlaceInTheDocument) {
  TokenizerConfig config;
  config.type = TokenizerKind::character;
  config.special_tokens = {"<|endofsentence|>", "<|paragraph|>"};
  const auto tokenizer = make_tokenizer(config, std::vector<std::string_view>{"helo word. \n"});
  testing::expect_error(ExitCode::usage, {"byte 20"},
                        [&] { encode(*tokenizer, "hello. world\n\nhello Z", Kind::prompt); });
}

TEST(Document, WrittenSpecialTokensStayText) {
  const auto tokenizer = with_special({"<|start|>", "<|endoftext|>"});
  const std::vector<TokenId> ids = encode(*tokenizer, "<|endoftext|>");
  EXPECT_EQ(ids.size(), 15u);  // start, 13 bytes, end
}

TEST(TextBytesByToken, AreThoseOfTheMeaning) {
  const std::vector<std::uint32_t> bytes = text_bytes_by_token(*with_special({"<|endoftext|>", "<|paragraph|>"}));
  ASSERT_EQ(bytes.size(), 258u);
  EXPECT_EQ(bytes['a'], 1u);
  EXPECT_EQ(bytes[256], 0u);
  EXPECT_EQ(bytes[257], 2u);
  TokenizerConfig none;
  none.type = TokenizerKind::none;
  EXPECT_TRUE(text_bytes_by_token(*make_tokenizer(none, {})).empty());
}

TEST(Document, MeaningGivesTheTextBack) {
  const auto tokenizer = with_special({"<|start|>", "<|endoftext|>", "<|endofsentence|>", "<|paragraph|>"});
  Rng rng(31, "document");
  const std::vector<std::string> parts{".", "!", " ", "\n", "\n\n", "a", "?\n\n", "\xFF"};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (std::uint64_t i = rng.below(20); i > 0; --i) text += parts[rng.below(parts.size())];
    const std::vector<TokenId> ids = encode(*tokenizer, text);
    ASSERT_EQ(tokenizer->decode(ids, SpecialText::meaning), text);
  }
}

TEST(Document, LineEndsOfEitherKindGetTheSameSpecialTokens) {
  const auto tokenizer = with_special({"<|start|>", "<|endofsentence|>", "<|paragraph|>"});
  const std::string lf = "One.\nTwo!\n\nThree?\n\n\nFour\n\n\n\nFive \n";
  std::string crlf;
  for (const char c : lf) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const auto special = [&](std::string_view text) {
    std::vector<std::string> names;
    for (const TokenId id : encode(*tokenizer, text)) {
      if (const SpecialToken* token = tokenizer->special_by_id(id)) names.push_back(token->content);
    }
    return names;
  };
  EXPECT_EQ(special(crlf), special(lf));
  EXPECT_EQ(special(lf).size(), 8u);  // the start, 3 sentences, 4 paragraphs
  EXPECT_EQ(shown(*tokenizer, "a\r\n\r\n\r\nb\r\n\nc\rd\r"), "<|start|>a<|paragraph|>\r\nb<|paragraph|>c\rd\r");
  EXPECT_EQ(tokenizer->decode(encode(*tokenizer, "a\r\n\r\nb"), SpecialText::meaning), "a\n\nb");
}

}  // namespace
}  // namespace kiln
