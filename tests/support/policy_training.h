// Trains small models at the library's level: the examples, the course of a training, and what a model then predicts.
#pragma once

#include "kiln/core/threads.h"
#include "kiln/data/encoded_preferences.h"
#include "kiln/data/packed_batches.h"
#include "kiln/nn/init.h"
#include "kiln/nn/model_weights.h"
#include "kiln/train/train_step.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace kiln::testing {

/// Returns the shape of a small Llama.
inline ModelConfig little_llama(Index n_layers, Index d_model, Index n_ctx) {
  ModelConfig config;
  config.n_layers = n_layers;
  config.d_model = d_model;
  config.n_heads = 4;
  config.n_ctx = n_ctx;
  config.activation = Activation::swiglu;
  config.norm = NormKind::rmsnorm;
  config.position = PositionKind::rope;
  config.bias = false;
  config.tie_embeddings = false;
  config.resolve();
  return config;
}

/// Weights and the model whose they are, which several policies may share.
struct TrainedPolicy {
  /// Draws initial weights.
  TrainedPolicy(std::shared_ptr<const LanguageModel<float>> of, std::uint64_t seed)
      : model(std::move(of)), weights(std::make_unique<ParameterBuffer<float>>(model->layout)) {
    initialise(model->config(), seed, *weights);
  }

  /// Returns the same policy with weights of its own.
  TrainedPolicy copy() const {
    TrainedPolicy other(model, 0);
    other.weights->all() = weights->all();
    return other;
  }

  ModelView view() const { return {*model, *weights}; }

  std::shared_ptr<const LanguageModel<float>> model;
  std::unique_ptr<ParameterBuffer<float>> weights;
};

/// Sequences of tokens, of which every one but the first is predicted.
class TokenExamples final : public Examples {
 public:
  void add(std::vector<TokenId> tokens, double weight = 1) {
    sequences_.push_back({std::move(tokens), static_cast<float>(weight)});
  }

  Index size() const override { return std::ssize(sequences_); }
  std::string_view unit() const override { return "sequences"; }
  Index rows(Index i) const override { return std::ssize(sequences_[static_cast<std::size_t>(i)].tokens) - 1; }

  void append(Index i, std::uint64_t number, Batch& batch) const override {
    const auto& [tokens, weight] = sequences_[static_cast<std::size_t>(i)];
    const Index first = batch.rows.size();
    batch.rows.append(std::span(tokens).first(tokens.size() - 1), {.number = number});
    for (std::size_t t = 1; t < tokens.size(); ++t) {
      batch.scored.push_back(first + static_cast<Index>(t) - 1);
      batch.targets.push_back(tokens[t]);
      batch.weights.push_back(weight);
    }
  }

 private:
  struct WeightedTokens {
    std::vector<TokenId> tokens;
    float weight;
  };
  std::vector<WeightedTokens> sequences_;
};

/// How a policy is trained: AdamW without decay, at a learning rate that falls to zero.
struct Course {
  ObjectiveConfig objective = {};
  Index steps = 100;
  Index rows = 1024;  // of a step, at most
  double learning_rate = 1e-3;
  std::uint64_t seed = 1;  // of the order of the examples
};

/// Trains the weights of a policy. Returns the last step's result.
inline StepResult train(TrainedPolicy& policy, const std::shared_ptr<const Examples>& examples, const Course& course) {
  Config config;
  config.seed = course.seed;
  config.model = policy.model->config();
  config.objective = course.objective;
  config.optimizer.learning_rate = course.learning_rate;
  config.optimizer.weight_decay = 0;
  config.schedule.type = ScheduleKind::cosine;
  config.schedule.warmup_steps = std::min<Index>(20, course.steps / 10);
  config.schedule.min_ratio = 0;
  PackedBatches batches(examples, {.rows = course.rows, .seed = course.seed});
  const Index rows = rounded_up_rows(course.rows);
  TrainStep step(config, policy.model->layout, policy.model->vocab_size(),
                 {.rows = rows, .scored = rows, .backward = Recompute::none});
  StepPosition position{.total_steps = static_cast<double>(course.steps)};
  StepResult result;
  for (; position.step < course.steps; ++position.step) {
    result = step.run(Weights(*policy.weights), batches, position);
    position.examples_drawn += result.examples;
    position.updates += result.applied ? 1 : 0;
  }
  return result;
}

/// Returns log p of every token after each of the chosen rows.   chosen (M), ascending; the result (M, V).
inline std::vector<std::vector<double>> log_probs_after(Runner<float>& runner, const Weights& weights,
                                                        const TokenRows& rows, std::span<const Index> chosen) {
  const Index V = runner.vocab_size();
  RowMajor<float> logits(std::ssize(chosen), V);
  runner.forward(weights, rows);
  runner.logits(chosen, mat(logits.data(), logits.rows(), V));
  std::vector<std::vector<double>> log_probs;
  for (Index m = 0; m < logits.rows(); ++m) {
    const float* first = logits.data() + m * V;
    std::vector<double>& row = log_probs.emplace_back(first, first + V);
    const double most = *std::ranges::max_element(row);
    double sum = 0;
    for (const double logit : row) sum += std::exp(logit - most);
    for (double& logit : row) logit -= most + std::log(sum);
  }
  return log_probs;
}

/// Returns the comparison of two answers by what they are worth: the better one is judged so with a probability of
/// sigmoid(the difference of their rewards).
inline Comparison compare(Index a, Index b, double reward_a, double reward_b) {
  if (reward_a < reward_b) return compare(b, a, reward_b, reward_a);
  return {.chosen = a, .rejected = {b}, .probability = 1 / (1 + std::exp(reward_b - reward_a))};
}

}  // namespace kiln::testing
