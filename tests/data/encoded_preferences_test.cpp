// Judged answers as tokens: what is scored, compared, cut, dropped and weighed.
#include "kiln/data/encoded_preferences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "text/byte_tokenizer.h"
#include <map>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using testing::expect_error_with;

/// Encodes answers by bytes, in chatml.
struct Rig {
  std::shared_ptr<EncodedPreferences> encode(const std::vector<JudgedPrompt>& prompts,
                                             PreferenceEncoding encoding = {.n_ctx = 100, .rows = 1000}) const {
    return encode_preferences(prompts, chat, encoding);
  }
  std::string text(const Batch& batch, std::size_t sequence) const {
    const Sequence& s = batch.rows.sequences[sequence];
    return tokenizer.decode(
        std::span(batch.rows.tokens).subspan(static_cast<std::size_t>(s.row), static_cast<std::size_t>(s.length)));
  }
  /// Returns the targets of a sequence's scored rows as text.
  std::string scored_text(const Batch& batch, std::size_t sequence) const {
    const Sequence& s = batch.rows.sequences[sequence];
    std::vector<TokenId> ids;
    for (std::size_t m = 0; m < batch.scored.size(); ++m) {
      if (batch.scored[m] >= s.row && batch.scored[m] < s.row + s.length) ids.push_back(batch.targets[m]);
    }
    return tokenizer.decode(ids);
  }

  ByteTokenizer tokenizer{number_special_tokens(chat_special_tokens(ChatTemplateKind::chatml), kByteCount)};
  ChatTemplate chat{ChatTemplateKind::chatml, tokenizer, SpecialIds()};
};

JudgedPrompt prompt_of(const std::string& question, const std::vector<std::string>& answers,
                       std::vector<Judgement> judgements) {
  JudgedPrompt prompt{.messages = {{ChatRole::user, question}},
                      .answers = {},
                      .judgements = std::move(judgements),
                      .place = "a.jsonl:1"};
  for (const std::string& answer : answers) prompt.answers.push_back({.text = answer});
  return prompt;
}

Batch batch_of(const Examples& examples, Index i = 0) {
  Batch batch;
  examples.append(i, 0, batch);
  return batch;
}

TEST(EncodedPreferences, ScoreEachAnswerAndTheEndOfItsTurn) {
  const Rig rig;
  const auto encoded = rig.encode({prompt_of("q", {"yes", "no"}, {{.order = {{1}, {0}}}})});
  ASSERT_EQ(encoded->size(), 1);
  const Batch batch = batch_of(*encoded);
  ASSERT_EQ(batch.rows.sequences.size(), 2u);
  EXPECT_EQ(rig.text(batch, 0), "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nno");
  EXPECT_EQ(rig.scored_text(batch, 0), "no<|im_end|>");
  EXPECT_EQ(rig.scored_text(batch, 1), "yes<|im_end|>");
  ASSERT_EQ(batch.comparisons.size(), 1u);
  EXPECT_EQ(batch.comparisons[0].chosen, 0);
  EXPECT_THAT(batch.comparisons[0].rejected, ElementsAre(1));
  EXPECT_EQ(encoded->rows(0), batch.rows.size());
  EXPECT_EQ(batch.rows.positions[static_cast<std::size_t>(batch.rows.sequences[1].row)], 0);
}

TEST(EncodedPreferences, OfARewardModelScoreTheEndOfTheTurnItself) {
  const Rig rig;
  const auto encoded = rig.encode({prompt_of("q", {"yes", "no"}, {{.order = {{0}, {1}}}})},
                                  {.scored = ScoredRows::last, .n_ctx = 100, .rows = 1000});
  const Batch batch = batch_of(*encoded);
  EXPECT_EQ(rig.text(batch, 0), "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>");
  ASSERT_EQ(batch.scored.size(), 2u);
  for (std::size_t s = 0; s < 2; ++s) {
    const Sequence& sequence = batch.rows.sequences[s];
    EXPECT_EQ(batch.scored[s], sequence.row + sequence.length - 1);
  }
}

TEST(EncodedPreferences, PairsOfAPromptWeighAsOne) {
  const Rig rig;
  const std::vector<JudgedPrompt> prompts{prompt_of("q", {"a", "b", "c"}, {{.order = {{2}, {0}, {1}}}}),
                                          prompt_of("r", {"a", "b"}, {{.order = {{0}, {1}}}})};
  const auto encoded = rig.encode(prompts);
  EXPECT_EQ(encoded->census().comparisons, 4);
  for (const Comparison& comparison : batch_of(*encoded, 0).comparisons) {
    EXPECT_DOUBLE_EQ(comparison.weight, 1.0 / 3);
  }
  EXPECT_DOUBLE_EQ(batch_of(*encoded, 1).comparisons[0].weight, 1);
  const auto by_comparison = rig.encode(prompts, {.weight_of = WeightOf::comparison, .n_ctx = 100, .rows = 1000});
  for (const Comparison& comparison : batch_of(*by_comparison, 0).comparisons) EXPECT_EQ(comparison.weight, 1);
  EXPECT_NE(encoded->digest(), by_comparison->digest());
}

TEST(EncodedPreferences, AnAnswerInSeveralPairsIsOneSequence) {
  const Rig rig;
  const auto encoded = rig.encode({prompt_of("q", {"a", "b", "c", "unjudged"}, {{.order = {{2}, {0, 1}}}})});
  const Batch batch = batch_of(*encoded);
  EXPECT_EQ(batch.rows.sequences.size(), 3u);  // what nobody judged is left out
  ASSERT_EQ(batch.comparisons.size(), 3u);
  Index ties = 0;
  for (const Comparison& comparison : batch.comparisons) ties += comparison.probability == 0.5 ? 1 : 0;
  EXPECT_EQ(ties, 1);
  EXPECT_EQ(encoded->census().ties, 1);
}

TEST(EncodedPreferences, ARankingIsAChoiceAmongAllThatIsWorse) {
  const Rig rig;
  const auto encoded = rig.encode({prompt_of("q", {"a", "b", "c", "d"}, {{.order = {{3}, {0}}, .rest = {1, 2}}})},
                                  {.ranking = Ranking::plackett_luce, .n_ctx = 100, .rows = 1000});
  const Batch batch = batch_of(*encoded);
  ASSERT_EQ(batch.comparisons.size(), 2u);
  EXPECT_EQ(batch.comparisons[0].rejected.size(), 2u);  // of the second answer: the rest
  EXPECT_EQ(batch.comparisons[1].rejected.size(), 3u);
  EXPECT_EQ(rig.scored_text(batch, static_cast<std::size_t>(batch.comparisons[1].chosen)), "d<|im_end|>");
}

TEST(EncodedPreferences, KeepHowSureAJudgementIsAndMarginsForRewardModelsAlone) {
  const Rig rig;
  const std::vector<JudgedPrompt> prompts{
      prompt_of("q", {"a", "b"}, {{.order = {{0}, {1}}, .margin = 2.0, .probability = 0.75}}),
      prompt_of("q", {"a", "b"}, {{.order = {{0, 1}}, .margin = 2.0}})};
  for (const bool is_reward : {false, true}) {
    const auto scored = is_reward ? ScoredRows::last : ScoredRows::before_each_token;
    const auto encoded = rig.encode(prompts, {.scored = scored, .n_ctx = 100, .rows = 1000});
    const Batch decided = batch_of(*encoded, 0), tie = batch_of(*encoded, 1);
    EXPECT_DOUBLE_EQ(decided.comparisons[0].probability, 0.75);
    EXPECT_DOUBLE_EQ(decided.comparisons[0].margin, is_reward ? 2 : 0);
    EXPECT_DOUBLE_EQ(tie.comparisons[0].probability, 0.5);
    EXPECT_DOUBLE_EQ(tie.comparisons[0].margin, 0);
  }
}

TEST(EncodedPreferences, ARankingWithATieBecomesPairs) {
  const Rig rig;
  const auto encoded = rig.encode({prompt_of("q", {"a", "b", "c"}, {{.order = {{0, 1}, {2}}}})},
                                  {.ranking = Ranking::plackett_luce, .n_ctx = 100, .rows = 1000});
  EXPECT_EQ(encoded->census().comparisons, 3);
  EXPECT_EQ(encoded->census().ties, 1);
}

TEST(EncodedPreferences, PromptsAreCutFromTheLeftAndAnswersStayWhole) {
  const Rig rig;
  const std::string question(50, 'q');
  const auto encoded =
      rig.encode({prompt_of(question, {"good answer", "bad"}, {{.order = {{0}, {1}}}})}, {.n_ctx = 40, .rows = 1000});
  EXPECT_EQ(encoded->census().cut, 1);
  const Batch batch = batch_of(*encoded);
  EXPECT_EQ(batch.rows.sequences[0].length, 40);
  EXPECT_EQ(rig.scored_text(batch, 0), "good answer<|im_end|>");
  const std::string common = "qq<|im_end|>\n<|im_start|>assistant\n";
  EXPECT_NE(rig.text(batch, 0).find(common + "good"), std::string::npos);
  EXPECT_NE(rig.text(batch, 1).find(common + "bad"), std::string::npos);
  const auto start = [&](std::size_t s) { return rig.text(batch, s).substr(0, 10); };
  EXPECT_EQ(start(0), start(1));  // the same prompt
}

TEST(EncodedPreferences, CountWhatTheyLeaveOut) {
  const Rig rig;
  const auto encoded =
      rig.encode({prompt_of("q", {"", "b", "c"}, {{.order = {{0}, {1}, {2}}}}),
                  prompt_of("q", {std::string(60, 'x'), "b"}, {{.order = {{0}, {1}}}}),
                  prompt_of("q", {" same ", "same"}, {{.order = {{0}, {1}}}}), prompt_of("q", {"a"}, {})},
                 {.n_ctx = 60, .rows = 1000});
  const PreferenceCensus& census = encoded->census();
  EXPECT_EQ(census.empty, 1);
  EXPECT_EQ(census.too_long, 1);
  EXPECT_EQ(census.equal, 1);
  EXPECT_EQ(census.left_out, 3);
  EXPECT_EQ(census.prompts, 1);
  EXPECT_EQ(census.comparisons, 1);
  EXPECT_EQ(census.answers, 2);
}

TEST(EncodedPreferences, APromptThatDoesNotFitIntoABatchBecomesSeveralExamplesOfTheSameWeight) {
  const Rig rig;
  std::vector<std::string> answers;
  Judgement judgement;
  for (std::size_t i = 0; i < 6; ++i) {
    answers.emplace_back(10, static_cast<char>('a' + i));
    judgement.order.push_back({i});
  }
  const auto encoded = rig.encode({prompt_of("q", answers, {judgement})}, {.n_ctx = 100, .rows = 100});
  EXPECT_GT(encoded->size(), 1);
  double weight = 0;
  std::size_t comparisons = 0;
  for (Index i = 0; i < encoded->size(); ++i) {
    EXPECT_LE(encoded->rows(i), 100);
    const Batch batch = batch_of(*encoded, i);
    comparisons += batch.comparisons.size();
    for (const Comparison& comparison : batch.comparisons) {
      weight += comparison.weight;
      EXPECT_LT(comparison.chosen, std::ssize(batch.rows.sequences));
      EXPECT_LT(rig.scored_text(batch, static_cast<std::size_t>(comparison.chosen)),
                rig.scored_text(batch, static_cast<std::size_t>(comparison.rejected[0])));
    }
  }
  EXPECT_EQ(comparisons, 15u);
  EXPECT_THAT(weight, DoubleEq(1));
}

/// Eight blocks of 5 answers, of which two fit into a batch, so 28 batches. Pair by pair it would be about 90.
TEST(EncodedPreferences, OfManyAnswersEachIsInFewExamples) {
  const Rig rig;
  std::vector<std::string> answers;
  Judgement judgement;
  for (std::size_t i = 0; i < 40; ++i) {
    answers.push_back(fmt::format("answer {:02}.", i));
    judgement.order.push_back({i});
  }
  const auto encoded = rig.encode({prompt_of("q", answers, {judgement})}, {.n_ctx = 100, .rows = 309});
  EXPECT_EQ(encoded->census().comparisons, 780);
  EXPECT_LE(encoded->size(), 28);
  EXPECT_LE(encoded->answers(), 280);
  std::map<std::string, int> examples, pairs;  // of each answer
  for (Index i = 0; i < encoded->size(); ++i) {
    EXPECT_LE(encoded->rows(i), 309);
    const Batch batch = batch_of(*encoded, i);
    for (std::size_t s = 0; s < batch.rows.sequences.size(); ++s) ++examples[rig.scored_text(batch, s)];
    for (const Comparison& comparison : batch.comparisons) {
      const std::string better = rig.scored_text(batch, static_cast<std::size_t>(comparison.chosen)),
                        worse = rig.scored_text(batch, static_cast<std::size_t>(comparison.rejected[0]));
      EXPECT_LT(better, worse);
      ++pairs[better + worse];
    }
  }
  EXPECT_EQ(pairs.size(), 780u);
  ASSERT_EQ(examples.size(), 40u);
  for (const auto& [answer, count] : examples) EXPECT_LE(count, 8) << answer;
}

TEST(EncodedPreferences, AComparisonLargerThanABatchIsAnError) {
  const Rig rig;
  const JudgedPrompt prompt = prompt_of("q", {std::string(50, 'a'), std::string(50, 'b')}, {{.order = {{0}, {1}}}});
  expect_error_with(ExitCode::usage, {"a.jsonl:1", "train.batch_size", "at least 2"},
                    [&] { rig.encode({prompt}, {.n_ctx = 100, .rows = 100}); });
}

TEST(EncodedPreferences, BatchesHoldTheReferencesLogProbsOfTheirAnswers) {
  const Rig rig;
  const auto encoded = rig.encode(
      {prompt_of("q", {"a", "b"}, {{.order = {{0}, {1}}}}), prompt_of("r", {"c", "d"}, {{.order = {{1}, {0}}}})});
  encoded->set_reference({-1, -2, -3, -4});
  Batch batch = batch_of(*encoded, 1);
  encoded->append(0, 1, batch);
  EXPECT_THAT(batch.reference, ElementsAre(-3, -4, -1, -2));
  EXPECT_EQ(batch.comparisons[1].chosen, 2);  // a sequence of the batch
  EXPECT_THAT(batch.comparisons[1].rejected, ElementsAre(3));
  EXPECT_NE(batch.rows.sequences[0].number, batch.rows.sequences[2].number);  // dropout masks differ
}

}  // namespace
}  // namespace kiln
