// Gradients of whole models in every combination of their parts, against central differences in double.
#include "kiln/train/gradient_check.h"

#include "kiln/core/threads.h"

#include <gtest/gtest.h>

#include "support/small_models.h"
#include <algorithm>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

using testing::kSmallVocabulary;

ModelConfig tiny() {
  ModelConfig config;
  config.n_layers = 2;
  config.d_model = 12;
  config.n_heads = 2;
  config.d_head = 4;  // n_heads * d_head != d_model: the two must not be mixed up
  config.d_mlp = 10;
  config.n_ctx = 5;
  return config;
}

void expect_all_pass(const ModelConfig& config, const std::string& what) {
  GradientCheckOptions options;
  options.batch_size = 2;
  options.entries_per_tensor = 3;
  for (const TensorGradientCheck& check : check_gradients(config, kSmallVocabulary, options)) {
    EXPECT_TRUE(check.passed) << what << ": " << check.name << " analytic " << check.analytic << " numeric "
                              << check.numeric;
  }
}

class GradientCheck : public ::testing::TestWithParam<std::size_t> {};  // over activations

TEST_P(GradientCheck, PassesForEveryCombinationOfParts) {
  set_threads(1);  // models this small are not worth waking a thread
  const auto activation = static_cast<Activation>(GetParam());
  std::size_t combination = 0;
  for (std::size_t norm = 0; norm < kNorms.size(); ++norm) {
    for (std::size_t position = 0; position < kPositions.size(); ++position) {
      for (const Index kv_heads : {2, 1}) {
        for (const bool tied : {true, false}) {
          for (const bool bias : {true, false}) {
            ModelConfig config = tiny();
            config.activation = activation;
            config.norm = static_cast<NormKind>(norm);
            config.position = static_cast<PositionKind>(position);
            config.n_kv_heads = kv_heads;
            config.tie_embeddings = tied;
            config.bias = bias;
            config.qk_norm = combination % 3 == 1;
            config.dropout = combination % 5 < 2 ? 0.2 : 0.0;  // 5, like 3, falls in step with none of these
            ++combination;
            expect_all_pass(config, std::string(kActivations[GetParam()]) + " " + std::string(kNorms[norm]) + " " +
                                        std::string(kPositions[position]) + " kv_heads " + std::to_string(kv_heads) +
                                        (tied ? " tied" : " untied") + (bias ? " bias" : " no bias"));
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Activations, GradientCheck, ::testing::Range(std::size_t{0}, kActivations.size()),
                         [](const auto& info) { return std::string(kActivations[info.param]); });

TEST(GradientCheckOfATensor, ChecksConversationsWhoseAnswersAloneAreScored) {
  ModelConfig config = tiny();
  config.n_ctx = 8;
  set_threads(1);
  GradientCheckOptions options{.objective = {.type = ObjectiveKind::sft}, .batch_size = 3};
  const auto checks = check_gradients(config, kSmallVocabulary, options);
  for (const TensorGradientCheck& check : checks) EXPECT_TRUE(check.passed) << check.name << " " << check.error;
  options.objective.type = ObjectiveKind::next_token;  // another loss: more rows are scored
  EXPECT_NE(check_gradients(config, kSmallVocabulary, options)[0].analytic, checks[0].analytic);
}

TEST(GradientCheckOfATensor, ChecksTheLossesOfJudgedAnswers) {
  set_threads(1);
  for (const ObjectiveKind kind : {ObjectiveKind::dpo, ObjectiveKind::ipo, ObjectiveKind::reward}) {
    ModelConfig config = tiny();
    config.n_ctx = 8;
    if (kind == ObjectiveKind::reward) config.head = HeadKind::score;
    GradientCheckOptions options{.objective = {.type = kind, .beta = 0.5}, .batch_size = 3};
    const auto checks = check_gradients(config, kSmallVocabulary, options);
    for (const TensorGradientCheck& check : checks) EXPECT_TRUE(check.passed) << check.name << " " << check.error;
    if (kind == ObjectiveKind::ipo) continue;
    options.objective.ranking = Ranking::plackett_luce;  // another loss
    const auto ranked = check_gradients(config, kSmallVocabulary, options);
    for (const TensorGradientCheck& check : ranked) EXPECT_TRUE(check.passed) << check.name << " " << check.error;
    EXPECT_NE(ranked[0].analytic, checks[0].analytic);
  }
}

TEST(GradientCheckOfATensor, ChecksPolicyGradientsAtATemperature) {
  set_threads(1);
  for (const ObjectiveKind kind : {ObjectiveKind::grpo, ObjectiveKind::reinforce, ObjectiveKind::ppo}) {
    for (const KlPlace kl : {KlPlace::k1_in_reward, KlPlace::k2_in_loss, KlPlace::k3_in_loss}) {
      ModelConfig config = tiny();
      config.n_ctx = 8;
      GradientCheckOptions options{.objective = {.type = kind, .beta = 0.5}, .policy = {.kl = kl}, .batch_size = 3};
      options.policy.temperature = 0.7;
      options.policy.resolve(kind);
      if (kind == ObjectiveKind::ppo) config.head = HeadKind::next_token_and_value;
      const auto checks = check_gradients(config, kSmallVocabulary, options);
      for (const TensorGradientCheck& check : checks) EXPECT_TRUE(check.passed) << check.name << " " << check.error;
      options.policy.temperature = 1;  // another loss
      EXPECT_NE(check_gradients(config, kSmallVocabulary, options)[0].analytic, checks[0].analytic);
    }
  }
}

TEST(GradientCheckOfATensor, CoversEveryParameterOfTheLayout) {
  ModelConfig config = tiny();
  config.qk_norm = true;
  config.tie_embeddings = false;
  const auto checks = check_gradients(config, kSmallVocabulary, {});
  // wte, wpe, ln_f (2), lm_head; a block: two norms (2 each), c_attn, c_proj, c_fc, c_proj (2 each), q_norm, k_norm
  EXPECT_EQ(checks.size(), 5u + 2u * 14u);
  for (const auto& check : checks) EXPECT_GT(check.entries, 0) << check.name;
}

TEST(GradientCheckOfATensor, TheWorstEntryCountsAndNanIsWorseThanAny) {
  TensorGradientCheck check;
  check.add(1.0, 1.0 + 1e-9, {});
  check.add(1.0, 1.0, {});
  EXPECT_NEAR(check.error, 1e-9, 1e-15);
  EXPECT_TRUE(check.passed);
  for (const double numeric : {std::numeric_limits<double>::quiet_NaN(), 1.0}) {
    check.add(1.0, numeric, {});
    EXPECT_TRUE(std::isnan(check.error) && std::isnan(check.numeric));
    EXPECT_FALSE(check.passed);
  }
  EXPECT_EQ(check.entries, 4);
}

TEST(GradientCheckOfATensor, FailsWhereTheToleranceCannotBeMet) {
  GradientCheckOptions options;
  options.tolerance = 1e-16;
  const auto checks = check_gradients(tiny(), kSmallVocabulary, options);
  EXPECT_TRUE(std::any_of(checks.begin(), checks.end(), [](const auto& check) { return !check.passed; }));
}

TEST(GradientCheckOfAdapters, PassesForEveryFamilyWithNewTokens) {
  set_threads(1);
  for (ModelConfig config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    for (const bool tied : {true, false}) {
      config.tie_embeddings = tied;
      config.dropout = tied ? 0.2 : 0;
      config.lora = {.rank = 2, .alpha = 3, .dropout = tied ? 0 : 0.3, .new_tokens = 3};
      expect_all_pass(config, tied ? "tied" : "untied");
    }
  }
}

}  // namespace
}  // namespace kiln
