// Evaluates a policy: draws answers to the held-out prompts and scores them.
#pragma once

#include "kiln/nn/model_weights.h"
#include "kiln/train/evaluate.h"

#include "train/policy_data.h"
#include <memory>
#include <optional>
#include <vector>

namespace kiln {

/// Draws an answer to each held-out prompt, the same draws each time, at the temperature of the rollouts. Its loss is
/// minus the mean of the gold rewards, or of the rewards if there is no gold.
class PolicyEvaluator final : public Evaluator {
 public:
  /// `data`, `tokenizer` and the reference must outlive this object. `options` are those of the run's rollouts.
  PolicyEvaluator(const ModelConfig& config, Index vocab_size, Precision precision, PolicyData& data,
                  const Tokenizer& tokenizer, RolloutOptions options, std::optional<ModelView> reference);

  Evaluation evaluate(Weights weights, const EvaluationSource& source, const Progress& progress) override;

 private:
  const ModelConfig& config() const override { return config_; }

  const ModelConfig& config_;
  Index vocab_size_;
  Precision precision_;
  PolicyData& data_;
  AnswerScoring rewards_;
  std::optional<AnswerScoring> gold_;
  RolloutOptions options_;
  std::optional<ModelView> reference_;
};

}  // namespace kiln
