// The law's shape: more of anything helps, repeats help less, and a vocabulary has a size that suits the time.
#include "train/scaling_law.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

/// A run of one pass over a text without end.
TrainingFacts facts() {
  return {.hidden_parameters = 2e5,
          .embedding_parameters = 1.3e5,
          .vocab_size = 2048,
          .bytes_per_token = 2.5,
          .bytes = 5e6,
          .unique_bytes = 1e12,
          .steps = 500,
          .tokens_per_step = 4096,
          .context = 128};
}

TEST(ScalingLaw, AgreesWithTheFormulaWorkedOutByHand) {
  // E, A and G at their units; B at 5e6 * 500 / 630 * 4096 / 4296 bytes; C at 300 bytes of context; H at 120 / 500; R
  // at next to none.
  EXPECT_NEAR(expected_bits_per_byte(facts()), 0.8 + 0.48 + 0.19 + 0.77 * 1.0693 + 0.0484 + 36.0 / 500, 1e-3);
}

TEST(ScalingLaw, AByteReadAgainIsWorthLessThanANewOne) {
  TrainingFacts new_ones = facts(), four_passes = facts(), forty_passes = facts();
  new_ones.bytes = four_passes.bytes = forty_passes.bytes = 8e7;
  new_ones.unique_bytes = 8e7;
  four_passes.unique_bytes = 2e7;
  forty_passes.unique_bytes = 2e6;
  EXPECT_LT(expected_bits_per_byte(new_ones), expected_bits_per_byte(four_passes));
  EXPECT_LT(expected_bits_per_byte(four_passes), expected_bits_per_byte(forty_passes));
}

TEST(ScalingLaw, MoreParametersHelpOnlyAsFarAsTheTextFillsThem) {
  TrainingFacts small = facts(), large = facts(), larger = facts();
  large.hidden_parameters = 1e8;
  larger.hidden_parameters = 1e9;
  EXPECT_LT(expected_bits_per_byte(large), expected_bits_per_byte(small));
  for (TrainingFacts* f : {&small, &large, &larger}) f->unique_bytes = 1e6;
  EXPECT_NEAR(expected_bits_per_byte(large), expected_bits_per_byte(larger), 1e-6);
}

TEST(ScalingLaw, ALargeVocabularyIsWorthItsTimeOnlyInALongTraining) {
  // Width 64 on two cores: 90,000 tokens a second with 2,048 entries, 14,000 with 32,768; a text of 264 MB.
  const auto bits = [](double vocab_size, double bytes_per_token, double tokens) {
    return expected_bits_per_byte({.hidden_parameters = 2e5,
                                   .embedding_parameters = 64 * vocab_size,
                                   .vocab_size = vocab_size,
                                   .bytes_per_token = bytes_per_token,
                                   .bytes = tokens * bytes_per_token,
                                   .unique_bytes = 264e6,
                                   .steps = tokens / 4096,
                                   .tokens_per_step = 4096,
                                   .context = 128});
  };
  EXPECT_LT(bits(2048, 2.43, 75 * 180e3), bits(32768, 3.44, 75 * 28e3) - 0.1);
  EXPECT_GT(bits(2048, 2.43, 360e3 * 180e3), bits(32768, 3.44, 360e3 * 28e3));
}

}  // namespace
}  // namespace kiln
