// The loss and the gradients of an epoch of conversations, however they are cut into batches and ordered.
#include "kiln/data/conversation_examples.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/objective.h"

#include <gtest/gtest.h>

#include "support/small_models.h"
#include <vector>

namespace kiln {
namespace {

constexpr Index kLongest = 24;  // tokens of a conversation

/// Conversations of random tokens and lengths, each with one or two answers.
EncodedConversations random_conversations(Index count) {
  Rng rng(11, "test");
  EncodedConversations all;
  for (Index i = 0; i < count; ++i) {
    ChatTokens tokens;
    const auto length = static_cast<std::size_t>(4 + rng.below(kLongest - 3));
    for (std::size_t t = 0; t < length; ++t) {
      tokens.ids.push_back(static_cast<TokenId>(rng.below(testing::kSmallVocabulary)));
      tokens.supervised.push_back(t > 0 && (t + 1 == length || t % 7 > 3) ? 1 : 0);
    }
    all.append(tokens);
  }
  return all;
}

/// The summed loss and gradient of an epoch, in double.
struct EpochSums {
  double loss = 0, weight = 0;
  Eigen::VectorXd gradient;
  Index batches = 0;
};

EpochSums sums_of_epoch(const ModelConfig& config, Index rows, DataOrder order, std::uint64_t seed) {
  PackedBatches batches(std::make_shared<ConversationExamples>(random_conversations(30)),
                        {.rows = rows, .micro_batches = 0, .order = order, .seed = seed});
  const LanguageModel<double> model(config, testing::kSmallVocabulary);
  ParameterBuffer<double> weights(model.layout);
  initialise(config, 3, weights);
  const auto runner = make_runner<double>(config, testing::kSmallVocabulary,
                                          {.rows = rounded_up_rows(rows), .scored = rows, .backward = Recompute::none});
  const NextToken objective;
  BatchRunner<double> batch_runner(*runner, objective);
  Gradients<double> gradients(model.layout);
  EpochSums sums;
  Batch batch;
  Index drawn = 0;
  for (const ExampleRange& range : micro_batches_of_step(batches, 0)) {
    batches.fill(range.first, range.count, batch);
    drawn += range.count;
    sums.loss += batch_runner.backward(weights, batch, {.training = true, .seed = 5}, gradients);
    sums.weight += objective.weight(batch);
    ++sums.batches;
  }
  EXPECT_EQ(drawn, 30);
  sums.gradient = gradients.all();
  return sums;
}

void expect_same_sums(const EpochSums& a, const EpochSums& b) {
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_NEAR(a.loss, b.loss, 1e-11 * a.loss);
  EXPECT_LT((a.gradient - b.gradient).norm(), 1e-11 * a.gradient.norm());
}

std::vector<ModelConfig> packed_models() {
  std::vector<ModelConfig> configs{testing::small_gpt2(), testing::small_llama()};
  for (ModelConfig& config : configs) config.n_ctx = kLongest;
  return configs;
}

TEST(ConversationGradients, DoNotDependOnTheMicroBatches) {
  for (ModelConfig config : packed_models()) {
    config.dropout = 0.2;  // masks follow the conversation's number
    const EpochSums one = sums_of_epoch(config, 30 * kLongest, DataOrder::shuffle, 1);
    ASSERT_EQ(one.batches, 1);
    const EpochSums few = sums_of_epoch(config, 100, DataOrder::shuffle, 1);
    const EpochSums many = sums_of_epoch(config, kLongest, DataOrder::shuffle, 1);
    EXPECT_GT(many.batches, 2 * few.batches);
    expect_same_sums(one, few);
    expect_same_sums(one, many);
  }
}

TEST(ConversationGradients, DoNotDependOnTheOrderNorOnTheNeighbours) {
  for (ModelConfig config : packed_models()) {
    config.dropout = 0;
    const EpochSums sequential = sums_of_epoch(config, 70, DataOrder::sequential, 1);
    expect_same_sums(sequential, sums_of_epoch(config, 70, DataOrder::shuffle, 1));
    expect_same_sums(sequential, sums_of_epoch(config, 45, DataOrder::shuffle, 2));
  }
}

}  // namespace
}  // namespace kiln
