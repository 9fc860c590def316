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

std::string shown(const Tokenizer& tokenizer, std::string_view text, DocumentEnd end = DocumentEnd::end_of_text) {
  return tokenizer.decode(encode_document(tokenizer, text, end));
}

TEST(Document, EndsWithEndOfTextWhereThereIsOne) {
  const auto tokenizer = with_special({"<|endoftext|>"});
  EXPECT_EQ(shown(*tokenizer, "One. Two.\n\nThree"), "One. Two.\n\nThree<|endoftext|>");
  EXPECT_EQ(shown(*tokenizer, "One.", DocumentEnd::open), "One.");
  EXPECT_EQ(shown(*with_special({}), "One."), "One.");
}

TEST(Document, SpecialTokensAreInsertedByTheirRoles) {
  const auto tokenizer =
      with_special({"<|start|>", "<|endoftext|>", "<|endofsentence|>", "<|paragraph|>", "<|other|>"});
  EXPECT_EQ(shown(*tokenizer, "Who? Me! 3.14 e.g.\nyes.\n\nSo... be it."),
            "<|start|>Who?<|endofsentence|> Me!<|endofsentence|> 3.14 e.g.<|endofsentence|>\nyes.<|endofsentence|>"
            "<|paragraph|>So...<|endofsentence|> be it.<|endofsentence|><|endoftext|>");
  EXPECT_EQ(shown(*tokenizer, ""), "<|start|><|endoftext|>");
  EXPECT_EQ(shown(*tokenizer, "\n\n\n\n\nx", DocumentEnd::open), "<|start|><|paragraph|><|paragraph|>\nx");
}

TEST(Document, WhatCannotBeEncodedIsNamedByItsPlaceInTheDocument) {
  TokenizerConfig config;
  config.type = TokenizerKind::character;
  config.special_tokens = {"<|endofsentence|>", "<|paragraph|>"};
  const auto tokenizer = make_tokenizer(config, std::vector<std::string_view>{"helo word. \n"});
  testing::expect_error(ExitCode::usage, {"byte 20"},
                        [&] { encode_document(*tokenizer, "hello. world\n\nhello Z", DocumentEnd::open); });
}

TEST(Document, WrittenSpecialTokensStayText) {
  const auto tokenizer = with_special({"<|start|>", "<|endoftext|>"});
  const std::vector<TokenId> ids = encode_document(*tokenizer, "<|endoftext|>", DocumentEnd::end_of_text);
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
    const std::vector<TokenId> ids = encode_document(*tokenizer, text, DocumentEnd::end_of_text);
    ASSERT_EQ(tokenizer->decode(ids, SpecialText::meaning), text);
  }
}

}  // namespace
}  // namespace kiln
