// Vocabulary, context and batch follow from the time and from what a step costs.
#include "train/choice.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace kiln {
namespace {

/// A text of 264 MB and how English compresses.
TextFacts text_of(std::uint64_t bytes) {
  TextFacts text;
  text.bytes = bytes;
  return text;
}
const TextFacts kText = text_of(264'000'000);
const std::vector<VocabularyOption> kVocabularies{{512, 1.74}, {2048, 2.43}, {8192, 3.02}, {32768, 3.44}};

/// What two cores were seen to take: 180,000 tokens a second with 2,048 entries, 28,000 with 32,768.
constexpr StepCost kCost{.update = 2e-3, .token = 3.6e-6, .token_per_entry = 1e-9, .token_per_position = 1e-9};

std::vector<Candidate> candidates(double seconds, const TextFacts& text = kText) {
  return candidates_of(Config(), {4, 64, 2, 128, 32}, kCost, {text, kVocabularies, seconds});
}

Candidate best(double seconds, const TextFacts& text = kText) {
  const std::vector<Candidate> all = candidates(seconds, text);
  return *std::ranges::min_element(all, {}, &Candidate::expected_bits);
}

TEST(Choice, AShortTimeCallsForASmallVocabularyHoweverLongTheText) {
  EXPECT_LE(best(75).vocabulary.size, 8192);
  EXPECT_GT(best(1e6).vocabulary.size, best(75).vocabulary.size);
}

TEST(Choice, AShortTextCallsForASmallVocabularyHoweverLongTheTime) {
  EXPECT_LE(best(1e6, text_of(1'000'000)).vocabulary.size, 2048);
}

TEST(Choice, FewStepsAreMadeMoreBySmallerBatches) {
  const Candidate hurried = best(5), calm = best(1e5);
  EXPECT_LT(hurried.tokens_per_step(), 4096);
  EXPECT_LE(hurried.tokens_per_step(), calm.tokens_per_step());
  EXPECT_LE(hurried.model.n_ctx, calm.model.n_ctx);
}

TEST(Choice, EveryVocabularyHasOneCandidateWhoseFiguresAgree) {
  const std::vector<Candidate> all = candidates(60);
  ASSERT_EQ(all.size(), kVocabularies.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Candidate& c = all[i];
    EXPECT_EQ(c.vocabulary.size, kVocabularies[i].size);
    const double step = kCost.seconds(c.vocabulary.size, c.model.n_ctx, c.batch_size);
    EXPECT_NEAR(c.tokens_per_second, static_cast<double>(c.tokens_per_step()) / step, 1e-6 * c.tokens_per_second);
    EXPECT_NEAR(c.tokens, 60 * c.tokens_per_second, 1e-6 * c.tokens);
    EXPECT_NEAR(c.passes * kText.tokens(c.vocabulary.bytes_per_token), c.tokens, 1e-6 * c.tokens);
  }
}

}  // namespace
}  // namespace kiln
