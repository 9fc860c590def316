// What a config comes to, against counts by hand.
#include "kiln/train/plan.h"

#include "kiln/nn/runner.h"
#include "kiln/train/evaluate.h"

#include <gtest/gtest.h>

#include "support/small_models.h"

namespace kiln {
namespace {

double flops_per_token(ModelConfig config, Index vocab_size) {
  config.resolve();
  const LanguageModel<float> model(config, vocab_size);
  return training_flops_per_token(config, model.layout, model.layout);
}

TEST(FlopsPerToken, CountProductsAndCausalAttention) {
  ModelConfig gpt2;  // of 124,439,808 parameters, 786,432 of them of positions
  gpt2.n_layers = 12;
  gpt2.d_model = 768;
  gpt2.n_heads = 12;
  gpt2.n_ctx = 1024;
  gpt2.bias = true;
  EXPECT_EQ(flops_per_token(gpt2, 50257), 6.0 * (124'439'808 - 786'432) + 6.0 * 12 * 768 * 1024);
}

TEST(FlopsPerToken, AnEmbeddingThatIsOnlyLookedUpInIsNoProduct) {
  ModelConfig config = testing::small_gpt2();
  config.tie_embeddings = true;
  const double tied = flops_per_token(config, 1000);
  config.tie_embeddings = false;
  EXPECT_EQ(flops_per_token(config, 1000), tied);
  EXPECT_EQ(flops_per_token(config, 1001), tied + 6.0 * static_cast<double>(config.d_model));
}

TEST(ParameterCounts, ARewardModelHasAHeadOfOneRow) {
  ModelConfig config = testing::small_gpt2();
  config.tie_embeddings = false;
  const LanguageModel<float> language(config, 1000), reward(testing::scoring(config), 1000);
  const ParameterCounts counts = ParameterCounts::of(reward.layout);
  EXPECT_EQ(counts.score, config.d_model);
  EXPECT_EQ(counts.unembedding, 0);
  EXPECT_EQ(counts.total, language.layout.count() - 1000 * config.d_model + config.d_model);
  EXPECT_EQ(counts.total_untied, counts.total);
  EXPECT_EQ(flops_per_token(testing::scoring(config), 1000),
            flops_per_token(config, 1000) - 6.0 * 1000 * static_cast<double>(config.d_model));
}

TEST(MemoryPlan, TablesOfPositionsCount) {
  ModelConfig config = testing::small_gpt2();
  config.position = PositionKind::none;
  const auto bytes = [&](Precision precision) {
    return runner_bytes(config, 100, precision, {.rows = 2 * config.n_ctx, .backward = Recompute::none}) +
           evaluator_bytes(config, 100, precision);
  };
  const std::size_t fp32 = bytes(Precision::fp32), bf16 = bytes(Precision::bf16);
  config.position = PositionKind::sinusoidal;
  const auto elements = static_cast<std::size_t>(config.n_ctx * config.d_model);
  EXPECT_EQ(bytes(Precision::fp32), fp32 + 2 * elements * sizeof(float));
  EXPECT_EQ(bytes(Precision::bf16), bf16 + 2 * elements * sizeof(bfloat16));
}

TEST(MemoryPlan, TheStateOfAnOptimizerIsWhatItKeepsOfEachParameter) {
  Config config;
  config.model = testing::small_gpt2();
  const LanguageModel<float> model(config.model, 100);
  const auto elements = [&](OptimizerKind kind) {
    config.optimizer.type = kind;
    return plan_memory(config, model, 1).checkpoint / sizeof(float);  // the weights too
  };
  Index hidden = 0;
  for (const Parameter& p : model.layout.parameters()) hidden += is_hidden_matrix(p.role) ? p.size() : 0;
  ASSERT_GT(hidden, 0);
  const auto all = static_cast<std::uint64_t>(model.layout.extent());
  EXPECT_EQ(elements(OptimizerKind::sgd), all);
  EXPECT_EQ(elements(OptimizerKind::lion), 2 * all);
  EXPECT_EQ(elements(OptimizerKind::adamw), 3 * all);
  EXPECT_EQ(elements(OptimizerKind::muon), 3 * all - static_cast<std::uint64_t>(hidden));
}

}  // namespace
}  // namespace kiln
