// What one training says of smaller vocabularies is what they come to when they are trained themselves.
#include "train/vocabulary_options.h"

#include "kiln/core/file.h"
#include "kiln/text/tokenizer.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(VocabularyOptions, AgreeWithTokenizersOfTheirSizes) {
  const std::string text = read_file(KILN_SOURCE_DIR "/data/tales.txt").substr(0, 100'000);
  const Documents sample{text};
  TokenizerConfig config;
  const std::vector<VocabularyOption> options = vocabulary_options(config, sample);
  ASSERT_GE(options.size(), 2u);
  EXPECT_EQ(options[0].size, 512);
  EXPECT_EQ(options[1].size, 1024);
  for (std::size_t i = 0; i < 2; ++i) {
    config.vocab_size = options[i].size;
    const double tokens = static_cast<double>(make_tokenizer(config, sample)->encode(text).size());
    EXPECT_NEAR(options[i].bytes_per_token, 1e5 / tokens, 1e-9);
  }
  EXPECT_GT(options[1].bytes_per_token, options[0].bytes_per_token);
}

TEST(VocabularyOptions, EndWhereTheTextHasNoMorePairs) {
  const std::string text = "one two one two one two";
  const std::vector<VocabularyOption> options = vocabulary_options({}, {text});
  ASSERT_EQ(options.size(), 1u);
  EXPECT_EQ(options.front().size, 512);
}

}  // namespace
}  // namespace kiln
