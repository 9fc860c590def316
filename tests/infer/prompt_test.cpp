// Where special tokens in prompts come from, and what an empty prompt is.
#include "kiln/infer/prompt.h"

#include "kiln/text/none_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/byte_tokenizer.h"
#include "text/char_tokenizer.h"

namespace kiln {
namespace {

using ::testing::ElementsAre;

ByteTokenizer bytes_with(std::vector<std::string> special) {
  return ByteTokenizer(number_special_tokens(special, kByteCount));
}

std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text,
                            SpecialTokens special = SpecialTokens::as_text, const NamedTokens& named = {}) {
  return encode_prompt(tokenizer, special_ids(tokenizer, TokenizerConfig(), named), text, special);
}

TEST(Prompt, SpecialTokensAreTextUnlessAllowed) {
  const ByteTokenizer tokenizer = bytes_with({"<|endoftext|>"});
  EXPECT_EQ(encode(tokenizer, "<|endoftext|>").size(), 13u);
  EXPECT_THAT(encode(tokenizer, "a<|endoftext|>", SpecialTokens::allow), ElementsAre('a', 256));
}

TEST(Prompt, BeginsAsDocumentsDo) {
  const ByteTokenizer tokenizer = bytes_with({"<|endoftext|>", "<|start|>"});
  EXPECT_THAT(encode(tokenizer, "ab"), ElementsAre(257, 'a', 'b'));
  EXPECT_THAT(encode(tokenizer, "ab", SpecialTokens::allow), ElementsAre('a', 'b'));
  EXPECT_THAT(encode(bytes_with({"<|endoftext|>"}), "ab"), ElementsAre('a', 'b'));
}

TEST(Prompt, EmptyBecomesTheTokenThatTextsBeginAfter) {
  for (const SpecialTokens special : {SpecialTokens::as_text, SpecialTokens::allow}) {
    EXPECT_THAT(encode(bytes_with({"<|endoftext|>", "<|start|>"}), "", special), ElementsAre(257));
    EXPECT_THAT(encode(bytes_with({"<|endoftext|>"}), "", special), ElementsAre(256));
    EXPECT_THAT(encode(bytes_with({"<|endoftext|>"}), "", special, {.begin = 7}), ElementsAre(7));
    EXPECT_THAT(encode(bytes_with({}), "", special), ElementsAre('\n'));
    EXPECT_THAT(encode(CharTokenizer(U"ab", {}), "", special), ElementsAre(0));
    EXPECT_THAT(encode(NoneTokenizer(50), "", special), ElementsAre(0));
  }
}

}  // namespace
}  // namespace kiln
