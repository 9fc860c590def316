// Texts from a model whose next token is known, and from random ones.
#include "kiln/infer/complete.h"

#include "kiln/core/utf8.h"
#include "kiln/text/none_tokenizer.h"

#include "infer/models.h"
#include "support/scratch.h"
#include "text/byte_tokenizer.h"
#include <array>

namespace kiln {
namespace {

using testing::byte_tokens;
using testing::expect_error;
using testing::RandomModel;
using testing::tiny_config;

constexpr TokenId kEnd = 256;

/// Continues a line feed with a parrot of bytes.
struct Speaker : testing::Parrot {
  using Parrot::Parrot;

  std::vector<Completion> complete(CompletionOptions options, const OnText& on_text = {}) {
    const ByteTokenizer tokenizer({{"<|endoftext|>", kEnd}});
    options.generation.sampling.greedy = true;
    if (options.generation.end_tokens.empty()) options.generation.end_tokens = {kEnd};
    return kiln::complete(view(), tokenizer, std::array{Prompt{'\n'}}, options, on_text);
  }
};

TEST(Complete, EndsAfterMaxTokens) {
  Speaker parrot(byte_tokens("Once upon a time"));
  const Completion completion = parrot.complete({.generation = {.max_tokens = 9}}).front();
  EXPECT_EQ(completion.text, "Once upon");
  EXPECT_EQ(completion.tokens, 9);
  EXPECT_EQ(completion.finish, Finish::length);
}

TEST(Complete, TheEndOfTextTokenEndsASampleAndIsNoPartOfIt) {
  std::vector<TokenId> says = byte_tokens("The end");
  says.push_back(kEnd);
  const Completion completion = Speaker(says).complete({}).front();
  EXPECT_EQ(completion.text, "The end");
  EXPECT_EQ(completion.tokens, 7);
  EXPECT_EQ(completion.finish, Finish::end);
}

TEST(Complete, AStopTextSpansTokensAndIsCutOff) {
  Speaker parrot(byte_tokens("One. Two. Three."));
  std::string streamed;
  const Completion completion =
      parrot.complete({.stops = {"zzz", ". T"}}, [&](Index, std::string_view piece, bool) { streamed += piece; })
          .front();
  EXPECT_EQ(completion.text, "One");
  EXPECT_EQ(streamed, "One");
  EXPECT_EQ(completion.tokens, 6);
  EXPECT_EQ(completion.finish, Finish::stop);
}

TEST(Complete, CharactersArriveWholeAndTheEndIsAnnounced) {
  Speaker parrot(byte_tokens("é€🎉"));
  std::vector<std::string> pieces;
  std::vector<bool> lasts;
  const Completion completion = parrot
                                    .complete({.generation = {.max_tokens = 8}},
                                              [&](Index, std::string_view piece, bool last) {
                                                if (!piece.empty()) pieces.emplace_back(piece);
                                                lasts.push_back(last);
                                              })
                                    .front();
  EXPECT_EQ(pieces, (std::vector<std::string>{"é", "€", "\uFFFD\uFFFD\uFFFD"})) << "the fourth byte was not asked for";
  EXPECT_EQ(completion.text, "é€\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(std::ranges::count(lasts, true), 1);
  EXPECT_TRUE(lasts.back());
}

TEST(Complete, IdsWithoutATokenizerAreSeparatedBySpaces) {
  RandomModel m(tiny_config(), 60);
  const NoneTokenizer tokenizer(60);
  std::vector<TokenId> ids;
  const GenerationOptions options{.max_tokens = 6};
  generate(
      m.view(), std::array{Prompt{3}}, options,
      [&](Index, TokenId token, double) {
        ids.push_back(token);
        return true;
      },
      [](Index, Finish) {});
  const std::vector<Completion> completions =
      complete(m.view(), tokenizer, std::array{Prompt{3}}, {.generation = options});
  EXPECT_EQ(completions.front().text, " " + tokenizer.decode(ids)) << "the first is no part of the prompt's last";
}

TEST(Complete, AModelWithMoreRowsThanItsTokenizerHasIdsStaysWithinThem) {
  RandomModel m(tiny_config(), 300);
  const ByteTokenizer tokenizer({});
  const std::vector<Completion> completions =
      complete(m.view(), tokenizer, std::array{Prompt{3}}, {.generation = {.samples = 3}});
  for (const Completion& completion : completions) {
    EXPECT_EQ(completion.tokens, 200);
    EXPECT_EQ(utf8_valid_until(completion.text), completion.text.size());
  }
}

TEST(Complete, AnEmptyStopTextIsAUsageError) {
  expect_error(ExitCode::usage, "a stop text is empty; give it at least one character",
               [] { Speaker(byte_tokens("a")).complete({.stops = {""}}); });
}

TEST(Complete, AnyOfTheEndTokensEndsASample) {
  for (const std::vector<TokenId>& ends : {std::vector<TokenId>{' ', 'u'}, {'u', ' '}, {' '}}) {
    CompletionOptions options;
    options.generation.end_tokens = ends;
    const Completion completion = Speaker(byte_tokens("Once upon")).complete(options).front();
    EXPECT_EQ(completion.text, "Once");
    EXPECT_EQ(completion.finish, Finish::end);
  }
}

TEST(Complete, TheNameOfASpecialTokenStopsAtThatToken) {
  std::vector<TokenId> says = byte_tokens("Once");
  says.push_back(kEnd);
  CompletionOptions options{.stops = {"<|endoftext|>"}};
  options.generation.end_tokens = {'z'};  // another than the one to stop at
  std::string streamed;
  const Completion completion =
      Speaker(says).complete(options, [&](Index, std::string_view piece, bool) { streamed += piece; }).front();
  EXPECT_EQ(completion.text, "Once");
  EXPECT_EQ(completion.finish, Finish::stop);
  EXPECT_EQ(streamed, "Once");
}

}  // namespace
}  // namespace kiln
