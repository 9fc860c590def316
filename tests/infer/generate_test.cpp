// Generation with cached keys and values against plain forwards of the whole text.
#include "kiln/infer/generate.h"

#include <gmock/gmock.h>

#include "infer/models.h"
#include "support/scratch.h"
#include <array>
#include <limits>
#include <map>
#include <set>

namespace kiln {
namespace {

using testing::expect_error;
using testing::full_logits;
using testing::RandomModel;
using testing::tiny_config;

const Prompt kPrompt{72, 101, 108, 108, 111};

struct Generated {
  std::map<Index, std::vector<TokenId>> tokens;
  std::map<Index, Finish> finishes;
};

Generated run(RandomModel& m, std::span<const Prompt> prompts, const GenerationOptions& options) {
  Generated out;
  generate(
      m.view(), prompts, options,
      [&](Index sample, TokenId token, double) {
        out.tokens[sample].push_back(token);
        return true;
      },
      [&](Index sample, Finish finish) { EXPECT_TRUE(out.finishes.emplace(sample, finish).second); });
  return out;
}
Generated run(RandomModel& m, std::span<const TokenId> prompt, const GenerationOptions& options) {
  return run(m, std::array{Prompt(prompt.begin(), prompt.end())}, options);
}

/// What generate says that it does, done by one plain forward a token.
std::vector<TokenId> run_naively(RandomModel& m, std::span<const TokenId> prompt, const GenerationOptions& options,
                                 Index sample) {
  Sampler sampler(options.sampling);
  Rng rng(options.seed, "sampling", static_cast<std::uint64_t>(sample));
  const Index n_ctx = m.model.config().n_ctx;
  std::vector<TokenId> tokens(prompt.begin(), prompt.end());
  Index seen = std::ssize(tokens);  // by the model, of the newest tokens
  for (Index i = 0; i < options.max_tokens; ++i, ++seen) {
    if (seen > n_ctx) seen = options.overflow == ContextOverflow::recompute ? n_ctx : std::max<Index>(1, n_ctx / 2);
    RowMajor<float> logits = full_logits(m, std::span(tokens).last(static_cast<std::size_t>(seen)));
    const Vec<float> last(logits.data() + (logits.rows() - 1) * logits.cols(), logits.cols());
    const Index looked_back = std::min(std::ssize(tokens), n_ctx);
    tokens.push_back(sampler.pick(last, std::span(tokens).last(static_cast<std::size_t>(looked_back)), rng));
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
  RandomModel m(config());
  const std::vector<TokenId> tokens{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  const RowMajor<float> expected = full_logits(m, tokens);

  // Three sequences of the same tokens at different places: each forward brings one token of the first, some of the
  // second, and the whole of the third at the end.
  const auto runner =
      make_runner<float>(m.model.config(), m.model.vocab_size(), {.rows = 64, .slots = 3, .slot_size = 16});
  RowMajor<float> logits(64, m.model.vocab_size());
  std::array<Index, 3> done{};
  for (Index round = 0; round < 12; ++round) {
    TokenRows rows;
    std::vector<Index> expected_rows;
    for (Index slot = 0; slot < 3; ++slot) {
      Index& past = done[static_cast<std::size_t>(slot)];
      const Index count = slot == 0 ? 1 : slot == 1 ? std::min<Index>(round + 1, 12 - past) : round == 11 ? 12 : 0;
      if (count == 0) continue;
      rows.append(std::span(tokens).subspan(static_cast<std::size_t>(past), static_cast<std::size_t>(count)),
                  {.past = past, .slot = slot});
      for (Index i = 0; i < count; ++i) expected_rows.push_back(past + i);
      past += count;
    }
    if (round % 2 == 0) rows.round_up(16);
    const Index N = std::ssize(expected_rows);
    runner->forward(m.weights, rows);
    runner->logits(testing::all_rows(N), mat(logits.data(), N, m.model.vocab_size()));
    for (Index n = 0; n < N; ++n) {
      const auto row = expected_rows[static_cast<std::size_t>(n)];
      EXPECT_LT((logits.row(n) - expected.row(row)).cwiseAbs().maxCoeff(), 1e-4f) << round << " " << n;
    }
  }
  EXPECT_EQ(done, (std::array<Index, 3>{12, 12, 12}));
}

TEST_P(Architectures, ACopiedSlotGoesOnAsItsSourceWould) {
  RandomModel m(config());
  const std::vector<TokenId> tokens{3, 1, 4, 1, 5, 9, 2};
  const RowMajor<float> expected = full_logits(m, tokens);
  const auto runner =
      make_runner<float>(m.model.config(), m.model.vocab_size(), {.rows = 6, .slots = 2, .slot_size = 8});
  TokenRows rows;
  rows.append(std::span(tokens).first(6), {.slot = 1});
  runner->forward(m.weights, rows);
  runner->copy_slot(1, 0, 6);
  rows.clear();
  rows.append(std::span(tokens).last(1), {.past = 6});
  runner->forward(m.weights, rows);
  RowMajor<float> logits(1, m.model.vocab_size());
  runner->logits(testing::all_rows(1), mat(logits.data(), 1, m.model.vocab_size()));
  EXPECT_LT((logits.row(0) - expected.row(6)).cwiseAbs().maxCoeff(), 1e-4f);
}

TEST_P(Architectures, GreedyTokensAreThoseOfTheFullForwardWithinAndBeyondTheContext) {
  RandomModel m(config());
  for (const ContextOverflow overflow : {ContextOverflow::half, ContextOverflow::recompute}) {
    GenerationOptions options{.max_tokens = 60, .overflow = overflow};  // n_ctx is 24
    options.sampling.greedy = true;
    EXPECT_EQ(run(m, kPrompt, options).tokens[0], run_naively(m, kPrompt, options, 0)) << static_cast<int>(overflow);
  }
}

TEST_P(Architectures, SamplesOfABatchAreThoseDrawnOneByOne) {
  RandomModel m(config());
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
  RandomModel m(tiny_config());
  Generated few = run(m, kPrompt, {.max_tokens = 12, .samples = 2, .seed = 3});
  Generated many = run(m, kPrompt, {.max_tokens = 12, .samples = 70, .seed = 3});  // more than go together
  EXPECT_EQ(few.tokens[0], many.tokens[0]);
  EXPECT_EQ(few.tokens[1], many.tokens[1]);
  EXPECT_EQ(many.finishes.size(), 70u);
  EXPECT_NE(many.tokens[69], many.tokens[5]);
}

TEST(Generate, UnequalPromptsInOneBatchGiveWhatEachGivesAlone) {
  RandomModel m(tiny_config());
  std::vector<Prompt> prompts;
  for (const Index length : {1, 24, 5, 40, 5, 2, 13}) {  // n_ctx is 24
    Prompt prompt;
    for (Index i = 0; i < length; ++i) prompt.push_back(static_cast<TokenId>((7 * length + 11 * i) % 256));
    prompts.push_back(prompt);
  }
  for (const Index samples : {1, 3, 20}) {  // of 20 not all go together
    const GenerationOptions options{.max_tokens = 30, .samples = samples, .seed = 9};
    Generated together = run(m, prompts, options);
    EXPECT_EQ(std::ssize(together.finishes), std::ssize(prompts) * samples);
    for (std::size_t p = 0; p < prompts.size(); ++p) {
      Generated alone = run(m, prompts[p], options);
      for (Index s = 0; s < samples; ++s) {
        EXPECT_EQ(together.tokens[static_cast<Index>(p) * samples + s], alone.tokens[s]) << p << " " << s;
      }
    }
  }
}

TEST(Generate, ASampleMayStopWhereTheContextEnds) {
  RandomModel m(tiny_config());
  Generated out = run(m, kPrompt, {.max_tokens = 100, .samples = 2, .overflow = ContextOverflow::stop});
  EXPECT_EQ(out.tokens[0].size(), 24u - kPrompt.size() + 1);  // the last is drawn, but not read again
  EXPECT_EQ(out.finishes[1], Finish::length);
  EXPECT_EQ(run(m, kPrompt, {.max_tokens = 20, .overflow = ContextOverflow::stop}).tokens[0].size(), 20u);
}

TEST(Generate, SequencesEndAtDifferentTimesAndTheOthersGoOnUndisturbed) {
  RandomModel m(tiny_config());
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
  RandomModel m(tiny_config());
  std::vector<Index> counts(3, 0);
  std::vector<Finish> finishes(3);
  generate(
      m.view(), std::array{kPrompt}, {.max_tokens = 9, .samples = 3},
      [&](Index sample, TokenId, double) { return ++counts[static_cast<std::size_t>(sample)] < 4 + 5 * sample; },
      [&](Index sample, Finish finish) { finishes[static_cast<std::size_t>(sample)] = finish; });
  EXPECT_EQ(counts, (std::vector<Index>{4, 9, 9}));
  EXPECT_EQ(finishes, (std::vector<Finish>{Finish::stop, Finish::stop, Finish::length}));
}

TEST(Generate, APromptLongerThanTheContextLosesItsBeginning) {
  RandomModel m(tiny_config(PositionKind::learned, 8));
  const std::vector<TokenId> longer{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const GenerationOptions options{.max_tokens = 5};
  Generated out = run(m, longer, options);
  EXPECT_EQ(out.tokens[0], run(m, std::span(longer).last(8), options).tokens[0]);
}

TEST(Generate, APromptThatFillsTheContextAndASingleTokenWork) {
  for (const Index n_ctx : {Index{1}, Index{5}, Index{6}}) {
    RandomModel m(tiny_config(PositionKind::learned, n_ctx));
    const std::span<const TokenId> prompt =
        std::span(kPrompt).first(static_cast<std::size_t>(std::min<Index>(n_ctx, 5)));
    for (const Index count : {1, 2, 9}) {
      const GenerationOptions options{.max_tokens = count};
      EXPECT_EQ(run(m, prompt, options).tokens[0], run_naively(m, prompt, options, 0)) << n_ctx << " " << count;
    }
  }
}

TEST(Generate, NoTokensAskedForAreNoTokens) {
  RandomModel m(tiny_config());
  Generated out = run(m, kPrompt, {.max_tokens = 0, .samples = 2});
  EXPECT_TRUE(out.tokens.empty());
  EXPECT_EQ(out.finishes, (std::map<Index, Finish>{{0, Finish::length}, {1, Finish::length}}));
}

TEST(Generate, OnlyTheTokenizersIdsAreDrawn) {
  RandomModel m(tiny_config());
  Generated out = run(m, kPrompt, {.max_tokens = 200, .vocab_size = 3});
  EXPECT_LT(std::ranges::max(out.tokens[0]), 3);
}

TEST(Generate, TheRepetitionPenaltySeesPromptAndSample) {
  RandomModel m(tiny_config(PositionKind::rope));
  GenerationOptions options{.max_tokens = 18};
  options.sampling = {.repetition_penalty = 1e6, .greedy = true};
  const std::vector<TokenId> drawn = run(m, kPrompt, options).tokens[0];
  std::set<TokenId> distinct(kPrompt.begin(), kPrompt.end());
  const std::size_t before = distinct.size();
  distinct.insert(drawn.begin(), drawn.end());
  EXPECT_EQ(distinct.size(), before + drawn.size());
}

TEST(Generate, RefusesWhatItCannotGoOnFrom) {
  RandomModel m(tiny_config());
  expect_error(ExitCode::usage, "the prompt has no tokens; at least one is needed", [&] { run(m, Prompt{}, {}); });
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
               "an earlier checkpoint (--checkpoint STEP), or copy or download the model again",
               [&] { run(m, kPrompt, {}); });
}

}  // namespace
}  // namespace kiln
