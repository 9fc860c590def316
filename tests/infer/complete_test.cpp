// Texts from a model whose next token is known, and from random ones.
#include "kiln/infer/complete.h"

#include "kiln/core/utf8.h"
#include "kiln/text/none_tokenizer.h"

#include "infer/models.h"
#include "support/scratch.h"
#include "text/byte_tokenizer.h"

namespace kiln {
namespace {

using testing::expect_error;
using testing::RandomModel;
using testing::tiny_config;

constexpr TokenId kEnd = 256;

/// A model of bytes that says one text over and over: its hidden state is the position alone.
struct Parrot {
  static constexpr Index kSize = 64;

  explicit Parrot(const std::vector<TokenId>& says) : model(config(), 257), weights(model.layout) {
    set_threads(1);
    const auto set = [&](std::string_view name, auto&& fill) { fill(weights.mat(model.layout.find(name))); };
    set("wpe.weight", [&](Mat<float> w) { w.setIdentity(); });
    set("ln_f.weight", [&](Mat<float> w) { w.setOnes(); });
    set("lm_head.weight", [&](Mat<float> w) {
      for (std::size_t i = 0; i < says.size(); ++i) w(says[i], static_cast<Index>(i)) = 1;
    });
  }

  static ModelConfig config() {
    ModelConfig config = tiny_config(PositionKind::learned, kSize);
    config.d_model = kSize;
    config.tie_embeddings = false;
    config.n_kv_heads = config.d_head = config.d_mlp = std::nullopt;
    config.resolve();
    return config;
  }

  std::vector<Completion> complete(CompletionOptions options, const OnText& on_text = {}) {
    const ByteTokenizer tokenizer({{"<|endoftext|>", kEnd}});
    options.generation.sampling.greedy = true;
    if (options.generation.end_tokens.empty()) options.generation.end_tokens = {kEnd};
    const ModelView view(model, weights);
    return kiln::complete(view, tokenizer, std::array{Prompt{'\n'}}, options, on_text);
  }

  LanguageModel<float> model;
  ParameterBuffer<float> weights;
};

std::vector<TokenId> tokens_of(std::string_view text) {
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

TEST(Complete, EndsAfterMaxTokens) {
  Parrot parrot(tokens_of("Once upon a time"));
  const Completion completion = parrot.complete({.generation = {.max_tokens = 9}}).front();
  EXPECT_EQ(completion.text, "Once upon");
  EXPECT_EQ(completion.tokens, 9);
  EXPECT_EQ(completion.finish, Finish::length);
}

TEST(Complete, TheEndOfTextTokenEndsASampleAndIsNoPartOfIt) {
  std::vector<TokenId> says = tokens_of("The end");
  says.push_back(kEnd);
  const Completion completion = Parrot(says).complete({}).front();
  EXPECT_EQ(completion.text, "The end");
  EXPECT_EQ(completion.tokens, 7);
  EXPECT_EQ(completion.finish, Finish::end);
}

TEST(Complete, AStopTextSpansTokensAndIsCutOff) {
  Parrot parrot(tokens_of("One. Two. Three."));
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
  Parrot parrot(tokens_of("é€🎉"));
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
               [] { Parrot(tokens_of("a")).complete({.stops = {""}}); });
}

TEST(Complete, AnyOfTheEndTokensEndsASample) {
  for (const std::vector<TokenId>& ends : {std::vector<TokenId>{' ', 'u'}, {'u', ' '}, {' '}}) {
    CompletionOptions options;
    options.generation.end_tokens = ends;
    const Completion completion = Parrot(tokens_of("Once upon")).complete(options).front();
    EXPECT_EQ(completion.text, "Once");
    EXPECT_EQ(completion.finish, Finish::end);
  }
}

TEST(Complete, TheNameOfASpecialTokenStopsAtThatToken) {
  std::vector<TokenId> says = tokens_of("Once");
  says.push_back(kEnd);
  CompletionOptions options{.stops = {"<|endoftext|>"}};
  options.generation.end_tokens = {'z'};  // another than the one to stop at
  std::string streamed;
  const Completion completion =
      Parrot(says).complete(options, [&](Index, std::string_view piece, bool) { streamed += piece; }).front();
  EXPECT_EQ(completion.text, "Once");
  EXPECT_EQ(completion.finish, Finish::stop);
  EXPECT_EQ(streamed, "Once");
}

}  // namespace
}  // namespace kiln
