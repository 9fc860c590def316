// What all tokenizers promise, and each of them in particular.
#include "kiln/text/tokenizer.h"

#include "kiln/core/threads.h"
#include "kiln/text/bpe_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include "fixtures.h"
#include "support/sanitized.h"
#include <atomic>
#include <thread>

namespace kiln {
namespace {

using Ids = std::vector<TokenId>;
using Views = std::vector<std::string_view>;
using testing::expect_error;

std::unique_ptr<Tokenizer> make(TokenizerKind kind, std::string_view text, std::vector<std::string> special = {},
                                std::int64_t vocab_size = 300) {
  TokenizerConfig config;
  config.type = kind;
  config.vocab_size = vocab_size;
  config.special_tokens = std::move(special);
  return make_tokenizer(config, Views{text});
}

std::string mixed_text(std::size_t bytes) {
  std::string text;
  Rng rng(21, "mixed");
  while (text.size() < bytes) {
    for (const testing::Case& reference : testing::reference_cases("gpt2.json")) text += reference.text + ' ';
    text += testing::random_text(rng, 1000);
  }
  return text;
}

TEST(Tokenizer, TableHasEveryKindOnce) {
  for (std::size_t i = 0; i < kTokenizers.size(); ++i) {
    EXPECT_EQ(kTokenizers[i].kind, static_cast<TokenizerKind>(i));
    EXPECT_EQ(make(kTokenizers[i].kind, "some text some text")->type(), kTokenizerKinds[i]);
  }
}

TEST(Tokenizer, AnyBytesComeBack) {
  Rng rng(22, "bytes");
  for (const TokenizerKind kind : {TokenizerKind::bpe, TokenizerKind::byte}) {
    const auto tokenizer = make(kind, mixed_text(1000), {"<|endoftext|>"}, 600);
    EXPECT_EQ(tokenizer->encode(""), Ids{});
    EXPECT_EQ(tokenizer->decode({}), "");
    for (int round = 0; round < 200; ++round) {
      std::string text = "\xEF\xBB\xBF<|endoftext|>\r\n";
      for (std::uint64_t i = rng.below(300); i > 0; --i) text += static_cast<char>(rng.below(256));
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, SpecialTokens::allow)), text);
    }
  }
}

TEST(Tokenizer, SpecialTokensAreTextUnlessAllowed) {
  for (const TokenizerKind kind : {TokenizerKind::bpe, TokenizerKind::character, TokenizerKind::byte}) {
    const auto tokenizer = make(kind, "a <|endoftext|><|end|> b", {"<|end|>", "<|endoftext|>", "<|end|>!"});
    const TokenId end = *tokenizer->special("<|end|>"), document = *tokenizer->special("<|endoftext|>");
    EXPECT_EQ(document, end + 1);
    EXPECT_EQ(tokenizer->vocab_size(), end + 3) << "special tokens come last";
    EXPECT_GT(tokenizer->encode("<|endoftext|>").size(), 1u);
    EXPECT_EQ(tokenizer->encode("<|endoftext|><|end|>", SpecialTokens::allow), (Ids{document, end}));
    EXPECT_EQ(tokenizer->encode("<|end|>!", SpecialTokens::allow), Ids{end + 2}) << "the longest";
    EXPECT_EQ(tokenizer->encode("<|end|<|end|>", SpecialTokens::allow).back(), end);
    EXPECT_EQ(tokenizer->decode(Ids{document}), "<|endoftext|>");
    EXPECT_EQ(tokenizer->decode(Ids{document}, SpecialText::meaning), "");
    EXPECT_EQ(tokenizer->token_bytes(document), "<|endoftext|>");
  }
}

TEST(Tokenizer, IdsThatAreNotThereAreErrors) {
  for (const TokenizerMaker& maker : kTokenizers) {
    const auto tokenizer = make(maker.kind, "abcabc");
    const auto size = static_cast<TokenId>(tokenizer->vocab_size());
    EXPECT_NO_THROW(tokenizer->decode(Ids{0, size - 1}));
    for (const TokenId id : {size, -1}) {
      expect_error(ExitCode::usage, {"token id " + std::to_string(id), std::to_string(size - 1)},
                   [&] { tokenizer->decode(Ids{id}); });
    }
  }
}

TEST(Tokenizer, SpecialTokensNeedDistinctNames) {
  expect_error(ExitCode::usage, {"\"<x>\" twice"}, [] { make(TokenizerKind::byte, "", {"<x>", "<x>"}); });
  expect_error(ExitCode::usage, {"empty name"}, [] { make(TokenizerKind::byte, "", {""}); });
  for (const TokenizerKind kind : {TokenizerKind::bpe, TokenizerKind::byte})
    expect_error(ExitCode::usage, {"\"a\"", "longer name"}, [&] { make(kind, "abc", {"a"}); });
  expect_error(ExitCode::usage, {"\"é\"", "longer name"}, [] { make(TokenizerKind::character, "é", {"é"}); });
}

TEST(BpeTokenizer, ThreadsAndSharesChangeNothing) {
  const std::string text = mixed_text(testing::kSanitized ? 900'000 : 3'000'000);
  const auto tokenizer = make(TokenizerKind::bpe, text, {"<|endoftext|>"}, 1000);
  const auto& bpe = dynamic_cast<const BpeTokenizer&>(*tokenizer).bpe();
  const Ids expected = testing::encode_pieces(bpe, SplitPattern::gpt2, text);
  const int before = threads();
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    EXPECT_TRUE(tokenizer->encode(text) == expected) << count << " threads";
  }
  set_threads(before);
}

TEST(BpeTokenizer, ManyThreadsShareOneTokenizer) {
  const std::string text = mixed_text(20000);
  const auto tokenizer = make(TokenizerKind::bpe, text, {}, 800);
  const Ids expected = tokenizer->encode(text);
  std::atomic<int> wrong{0};
  std::vector<std::jthread> users(8);
  for (std::jthread& user : users) {
    user = std::jthread([&] {
      for (int i = 0; i < 4; ++i) wrong += tokenizer->encode(text) == expected ? 0 : 1;
    });
  }
  users.clear();
  EXPECT_EQ(wrong, 0);
}

/// A vocabulary names each token once, and " hello" has the name of this special one.
TEST(BpeTokenizer, NoMergeIsSpelledAsASpecialToken) {
  const auto tokenizer = make(TokenizerKind::bpe, "a hello a hello a hello", {"Ġhello"});
  EXPECT_EQ(read_tokenizer_json(format_tokenizer_json(*tokenizer), "t.json")->encode("a hello"),
            tokenizer->encode("a hello"));
}

TEST(BpeTokenizer, VocabularyHasTheSizeAskedForOrLess) {
  const std::string text = mixed_text(20000);
  EXPECT_EQ(make(TokenizerKind::bpe, text, {"<|endoftext|>"}, 500)->vocab_size(), 500);
  EXPECT_EQ(make(TokenizerKind::bpe, "abab", {"<|endoftext|>"}, 500)->vocab_size(), 258);
  expect_error(ExitCode::usage, {"is 256", "at least 257"}, [] { make(TokenizerKind::bpe, "a", {"<x>"}, 256); });
}

TEST(BpeTokenizer, LongLinesAreQuick) {
  const auto tokenizer = make(TokenizerKind::bpe, mixed_text(20000), {}, 800);
  for (const std::string& text :
       {std::string(1000000, ' '), std::string(testing::kSanitized ? 2000000 : 20000000, 'z')}) {
    EXPECT_TRUE(tokenizer->decode(tokenizer->encode(text)) == text);
  }
}

TEST(CharTokenizer, NumbersTheSortedCharacters) {
  const auto tokenizer = make(TokenizerKind::character, "hé 中a\nha", {"<|endoftext|>"});
  EXPECT_EQ(tokenizer->vocab_size(), 7);
  EXPECT_EQ(tokenizer->encode("\n ahé中"), (Ids{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(tokenizer->decode(Ids{5, 4, 3}), "中éh");
  EXPECT_EQ(tokenizer->special("<|endoftext|>"), 6);
}

TEST(CharTokenizer, UnknownCharactersAreNamedWithTheirPlace) {
  const auto tokenizer = make(TokenizerKind::character, "abé", {"<x>"});
  expect_error(ExitCode::usage, {"'ж' (U+0436)", "byte 3", "\"bpe\""}, [&] { tokenizer->encode("aéжb"); });
  expect_error(ExitCode::usage, {"U+000A", "byte 5"}, [&] { tokenizer->encode("a<x>b\n", SpecialTokens::allow); });
  expect_error(ExitCode::usage, {"0xFF at byte 1 is not UTF-8"}, [&] { tokenizer->encode("a\xFF"); });
}

TEST(CharTokenizer, TextMustBeUtf8AndThere) {
  expect_error(ExitCode::bad_input, {"document 1: 0x80 at byte 2", "\"byte\""},
               [] { make(TokenizerKind::character, "ab\x80"); });
  expect_error(ExitCode::usage, {"empty"}, [] { make(TokenizerKind::character, ""); });
}

TEST(ByteTokenizer, IdsAreTheBytes) {
  const auto tokenizer = make(TokenizerKind::byte, "", {"<|endoftext|>"});
  EXPECT_EQ(tokenizer->vocab_size(), 257);
  EXPECT_EQ(tokenizer->encode(std::string_view("\0A\xFF", 3)), (Ids{0, 65, 255}));
  EXPECT_EQ(tokenizer->special("<|endoftext|>"), 256);
}

TEST(NoneTokenizer, WhatIsNoIdIsNamedByItsPlaceInTheUsersText) {
  const auto tokenizer = make(TokenizerKind::none, "", {}, 77);
  expect_error(ExitCode::usage, {"\"t\\u001bo\" at byte 15 is not a token id; the tokenizer is \"none\""},
               [&] { tokenizer->encode("1 23 t\x1bo", SpecialTokens::as_text, 10); });
  expect_error(ExitCode::usage, {"token id 77 at byte 12 is not in the vocabulary; its ids are 0 to 76"},
               [&] { tokenizer->encode("1 77", SpecialTokens::as_text, 10); });
}

TEST(NoneTokenizer, TextIsIds) {
  const auto tokenizer = make(TokenizerKind::none, "", {}, 50);
  EXPECT_EQ(tokenizer->vocab_size(), 50);
  EXPECT_EQ(tokenizer->encode(" 12 7\n33\t0 "), (Ids{12, 7, 33, 0}));
  EXPECT_EQ(tokenizer->decode(Ids{12, 7, 33}), "12 7 33");
  EXPECT_EQ(tokenizer->special("<|endoftext|>"), std::nullopt);
  expect_error(ExitCode::usage, {"\"x7\" at byte 3", "12 7 33"}, [&] { tokenizer->encode("12 x7"); });
  expect_error(ExitCode::usage, {"token id 50"}, [&] { tokenizer->encode("49 50"); });
  expect_error(ExitCode::usage, {"99999999999"}, [&] { tokenizer->encode("99999999999"); });
}

}  // namespace
}  // namespace kiln
