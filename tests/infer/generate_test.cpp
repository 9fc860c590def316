// Generation with cached keys and values against plain forwards of the whole text.
#include "kiln/infer/generate.h"

#include "kiln/infer/kv_cache.h"

#include <gmock/gmock.h>

#include "infer/models.h"
#include "support/log_capture.h"
#include "support/scratch.h"
#include <limits>
#include <map>
#include <set>

namespace kiln {
namespace {

using testing::expect_error;
using testing::full_logits;
using testing::LogCapture;
using testing::RandomModel;
using testing::tiny_config;

const std::vector<TokenId> kPrompt{72, 101, 108, 108, 111};

struct Generated {
  std::map<Index, std::vector<TokenId>> tokens;
  std::map<Index, Finish> finishes;
};

Generated run(const RandomModel& m, std::span<const TokenId> prompt, const GenerationOptions& options) {
  Generated out;
  generate(
      m.model, m.weights, prompt, options,
      [&](Index sample, TokenId token, double) {
        out.tokens[sample].push_back(token);
        return true;
      },
      [&](Index sample, Finish finish) { EXPECT_TRUE(out.finishes.emplace(sample, finish).second); });
  return out;
}

/// What generate says that it does, done by one plain forward a token.
std::vector<TokenId> run_naively(const RandomModel& m, std::span<const TokenId> prompt,
                                 const GenerationOptions& options, Index sample) {
  Sampler sampler(options.sampling);
  Rng rng(options.seed, "sampling", static_cast<std::uint64_t>(sample));
  std::vector<TokenId> tokens(prompt.begin(), prompt.end());
  for (Index i = 0; i < options.max_tokens; ++i) {
    const auto most = static_cast<std::size_t>(m.model.config().n_ctx);
    const std::span<const TokenId> window = std::span(tokens).last(std::min(tokens.size(), most));
    RowMajor<float> logits = full_logits(m, window);
    const Vec<float> last(logits.data() + (logits.rows() - 1) * logits.cols(), logits.cols());
    tokens.push_back(sampler.pick(last, window, rng));
  }
  return {tokens.begin() + std::ssize(prompt), tokens.end()};
}

struct Case {
  PositionKind position;
  Index kv_heads;
  bool qk_norm;

  std::string name() const {
    return fmt::format("{}_{}kv{}", kPositions[static_cast<std::size_t>(position)], kv_heads,
                       qk_norm ? "_qk_norm" : "");
  }
};

/// How GoogleTest names it.
void PrintTo(const Case& c, std::ostream* out) { *out << c.name(); }

class Architectures : public ::testing::TestWithParam<Case> {
 protected:
  static ModelConfig config() {
    ModelConfig config = tiny_config(GetParam().position);
    config.n_kv_heads = GetParam().kv_heads;
    config.qk_norm = GetParam().qk_norm;
    return config;
  }
};

TEST_P(Architectures, CachedScoresAreThoseOfTheFullForward) {
  const RandomModel m(config());
  const std::vector<TokenId> tokens{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  const RowMajor<float> expected = full_logits(m, tokens);

  KvCache<float> cache(m.model.config(), 3, 16);
  const std::size_t prompt = 5;
  Arena arena(std::size_t{1} << 20);
  GptActivations<float> one = m.model.trunk.lay_out(arena, 1, prompt, Keep::nothing);
  GptActivations<float> two = m.model.trunk.lay_out(arena, 2, 1, Keep::nothing);
  m.model.trunk.forward(m.weights, std::span(tokens).first(prompt), StepContext{}, one, &cache.views());
  cache.copy_sequence(0, 1);
  RowMajor<float> logits(2, m.model.vocab_size());
  for (std::size_t i = prompt; i < tokens.size(); ++i) {
    m.model.trunk.forward(m.weights, std::vector<TokenId>{tokens[i], tokens[i]}, StepContext{}, two, &cache.views());
    m.model.head.logits(m.weights, as_const(two.hidden), mat(logits.data(), 2, m.model.vocab_size()));
    for (const Index b : {0, 1}) {
      EXPECT_LT((logits.row(b) - expected.row(static_cast<Index>(i))).cwiseAbs().maxCoeff(), 1e-4f) << i;
    }
  }
}

TEST_P(Architectures, GreedyTokensAreThoseOfTheFullForwardWithinAndBeyondTheContext) {
  const RandomModel m(config());
  GenerationOptions options{.max_tokens = 40};  // n_ctx is 24
  options.sampling.greedy = true;
  EXPECT_EQ(run(m, kPrompt, options).tokens[0], run_naively(m, kPrompt, options, 0));
}

TEST_P(Architectures, SamplesOfABatchAreThoseDrawnOneByOne) {
  const RandomModel m(config());
  const GenerationOptions options{.max_tokens = 30, .samples = 4, .seed = 5};
  Generated batch = run(m, kPrompt, options);
  for (Index sample = 0; sample < options.samples; ++sample) {
    EXPECT_EQ(batch.tokens[sample], run_naively(m, kPrompt, options, sample)) << sample;
  }
  EXPECT_NE(batch.tokens[0], batch.tokens[1]);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const PositionKind position :
       {PositionKind::learned, PositionKind::sinusoidal, PositionKind::rope, PositionKind::alibi, PositionKind::none}) {
    for (const Index kv_heads : {4, 2, 1}) {
      for (const bool qk_norm : {false, true}) all.push_back({position, kv_heads, qk_norm});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Architectures, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name(); });

TEST(Generate, ASampleDoesNotDependOnHowManyThereAre) {
  const RandomModel m(tiny_config());
  Generated few = run(m, kPrompt, {.max_tokens = 12, .samples = 2, .seed = 3});
  Generated many = run(m, kPrompt, {.max_tokens = 12, .samples = 70, .seed = 3});  // more than go together
  EXPECT_EQ(few.tokens[0], many.tokens[0]);
  EXPECT_EQ(few.tokens[1], many.tokens[1]);
  EXPECT_EQ(many.finishes.size(), 70u);
  EXPECT_NE(many.tokens[69], many.tokens[5]);
}

TEST(Generate, SequencesEndAtDifferentTimesAndTheOthersGoOnUndisturbed) {
  const RandomModel m(tiny_config());
  const GenerationOptions endless{.max_tokens = 30, .samples = 6, .seed = 11};
  Generated full = run(m, kPrompt, endless);
  const TokenId end = full.tokens[2][4];
  GenerationOptions ending = endless;
  ending.end_tokens = {end};
  Generated cut = run(m, kPrompt, ending);
  for (Index sample = 0; sample < 6; ++sample) {
    std::vector<TokenId> expected = full.tokens[sample];
    const auto found = std::ranges::find(expected, end);
    const Finish finish = found == expected.end() ? Finish::length : Finish::end;
    expected.erase(found, expected.end());
    EXPECT_EQ(cut.tokens[sample], expected) << sample;
    EXPECT_EQ(cut.finishes[sample], finish) << sample;
  }
  EXPECT_EQ(cut.finishes[2], Finish::end);
}

TEST(Generate, TheCallerEndsASample) {
  const RandomModel m(tiny_config());
  std::vector<Index> counts(3, 0);
  std::vector<Finish> finishes(3);
  generate(
      m.model, m.weights, kPrompt, {.max_tokens = 9, .samples = 3},
      [&](Index sample, TokenId, double) { return ++counts[static_cast<std::size_t>(sample)] < 4 + 5 * sample; },
      [&](Index sample, Finish finish) { finishes[static_cast<std::size_t>(sample)] = finish; });
  EXPECT_EQ(counts, (std::vector<Index>{4, 9, 9}));
  EXPECT_EQ(finishes, (std::vector<Finish>{Finish::stop, Finish::stop, Finish::length}));
}

TEST(Generate, APromptLongerThanTheContextLosesItsBeginningWithAWarning) {
  const RandomModel m(tiny_config(PositionKind::learned, 8));
  const std::vector<TokenId> longer{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const GenerationOptions options{.max_tokens = 5};
  LogCapture log;
  Generated out = run(m, longer, options);
  EXPECT_EQ(out.tokens[0], run(m, std::span(longer).last(8), options).tokens[0]);
  EXPECT_EQ(log.text(),
            "warning: the prompt has 11 tokens and the model's context is 8: it does not see the first 3\n");
}

TEST(Generate, APromptThatFillsTheContextAndASingleTokenWork) {
  for (const Index n_ctx : {Index{1}, Index{5}, Index{6}}) {
    const RandomModel m(tiny_config(PositionKind::learned, n_ctx));
    const std::span<const TokenId> prompt =
        std::span(kPrompt).first(static_cast<std::size_t>(std::min<Index>(n_ctx, 5)));
    for (const Index count : {1, 2, 9}) {
      const GenerationOptions options{.max_tokens = count};
      EXPECT_EQ(run(m, prompt, options).tokens[0], run_naively(m, prompt, options, 0)) << n_ctx << " " << count;
    }
  }
}

TEST(Generate, NoTokensAskedForAreNoTokens) {
  const RandomModel m(tiny_config());
  Generated out = run(m, kPrompt, {.max_tokens = 0, .samples = 2});
  EXPECT_TRUE(out.tokens.empty());
  EXPECT_EQ(out.finishes, (std::map<Index, Finish>{{0, Finish::length}, {1, Finish::length}}));
}

TEST(Generate, OnlyTheTokenizersIdsAreDrawn) {
  const RandomModel m(tiny_config());
  Generated out = run(m, kPrompt, {.max_tokens = 200, .vocab_size = 3});
  EXPECT_LT(std::ranges::max(out.tokens[0]), 3);
}

TEST(Generate, TheRepetitionPenaltySeesPromptAndSample) {
  const RandomModel m(tiny_config(PositionKind::rope));
  GenerationOptions options{.max_tokens = 18};
  options.sampling = {.repetition_penalty = 1e6, .greedy = true};
  const std::vector<TokenId> drawn = run(m, kPrompt, options).tokens[0];
  std::set<TokenId> distinct(kPrompt.begin(), kPrompt.end());
  const std::size_t before = distinct.size();
  distinct.insert(drawn.begin(), drawn.end());
  EXPECT_EQ(distinct.size(), before + drawn.size());
}

TEST(Generate, RefusesWhatItCannotGoOnFrom) {
  const RandomModel m(tiny_config());
  expect_error(ExitCode::usage, "the prompt has no tokens; at least one is needed", [&] { run(m, {}, {}); });
  expect_error(ExitCode::usage,
               "the prompt has token 256, the model knows ids 0 to 255; was it trained with another tokenizer?", [&] {
                 run(m, std::vector<TokenId>{1, 256}, {});
               });
  expect_error(ExitCode::usage, "max-tokens is -1; it must be 0 or more", [&] { run(m, kPrompt, {.max_tokens = -1}); });
  for (const Index samples : {Index{0}, Index{1'000'001}, std::numeric_limits<Index>::max()}) {
    expect_error(ExitCode::usage, fmt::format("samples is {}; it must be 1 to 1,000,000", samples),
                 [&] { run(m, kPrompt, {.samples = samples}); });
  }
}

TEST(Generate, WeightsThatHaveDivergedAreSaidToBe) {
  RandomModel m(tiny_config());
  m.weights.all().setConstant(std::numeric_limits<float>::quiet_NaN());
  expect_error(ExitCode::diverged,
               "the model's scores for the next token are not finite: its weights hold NaN or are far too large; take "
               "an earlier checkpoint (--checkpoint STEP)",
               [&] { run(m, kPrompt, {}); });
}

}  // namespace
}  // namespace kiln
