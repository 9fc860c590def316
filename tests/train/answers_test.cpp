// Log probabilities of whole answers, against those that they were drawn with.
#include "kiln/train/answers.h"

#include <gtest/gtest.h>

#include "infer/models.h"
#include "text/byte_tokenizer.h"
#include <numeric>
#include <utility>
#include <vector>

namespace kiln {
namespace {

using testing::byte_tokens;
using testing::RandomModel;
using testing::tiny_config;

constexpr TokenId kEnd = 256;

TEST(Answers, LogProbabilitiesAreThoseOfTheDraws) {
  RandomModel m(tiny_config(PositionKind::rope), 257);
  const ByteTokenizer tokenizer({{"<|endoftext|>", kEnd}});
  const std::vector<Prompt> prompts{byte_tokens("one"), byte_tokens("and two"), {'x'}};
  CompletionOptions options;
  options.generation.sampling.temperature = 0.7;
  options.generation.samples = 30;
  options.generation.max_tokens = 40;  // some fill the context of 24
  for (TokenId end = 128; end <= kEnd; ++end) options.generation.end_tokens.push_back(end);  // some end soon
  options.generation.keeps_end = true;
  options.generation.overflow = ContextOverflow::stop;
  options.generation.log_probabilities = LogProbabilities::at_temperature;
  std::vector<PromptedTokens> answers{{prompts[0], {}}};  // nothing was drawn: log p is 0
  std::vector<double> drawn{0};
  Index ended = 0;
  for (const Completion& one : complete(m.view(), tokenizer, prompts, options)) {
    answers.push_back({prompts[(answers.size() - 1) / 30], one.ids});
    drawn.push_back(std::accumulate(one.log_probabilities.begin(), one.log_probabilities.end(), 0.0));
    const bool has_end = one.finish == Finish::end;
    EXPECT_EQ(std::ssize(one.ids), one.tokens + (has_end ? 1 : 0));
    EXPECT_EQ(one.ids.back() >= 128, has_end);
    ended += has_end ? 1 : 0;
  }
  EXPECT_GT(ended, 45);
  const std::vector<double> found = log_probs_of(m.view(), answers, 0.7);
  ASSERT_EQ(found.size(), drawn.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], drawn[i], 1e-3) << i;
}

}  // namespace
}  // namespace kiln
