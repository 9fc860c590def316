// Defines the losses of judged answers: DPO, IPO and that of a reward model.
#pragma once

#include "kiln/train/objective.h"

#include <vector>

namespace kiln {

/// The loss of comparisons. An answer's reward r is
/// - dpo: beta * (log p - log p of the reference) (arXiv:2305.18290);
/// - ipo: the same per token and without beta (arXiv:2310.12036, averaged as in TRL);
/// - reward: the number of a score head (arXiv:2203.02155).
/// With d = r(chosen) - r(rejected) and p the probability that the chosen answer is the better one, mixed with 1 - p by
/// objective.label_smoothing (arXiv:2305.18290, 3), the loss is
/// - dpo, reward: -p log sigmoid(d - margin) - (1 - p) log sigmoid(margin - d) of a pair (Bradley-Terry), and
///   -log softmax of the chosen answer among all of a longer comparison (Plackett-Luce);
/// - ipo: p (d - 1/(2 beta))^2 + (1 - p) (d + 1/(2 beta))^2.
/// objective.nll_weight adds the chosen answer's loss per token (arXiv:2404.19733).
class PreferenceObjective final : public Objective {
 public:
  /// The config's type must be dpo, ipo or reward.
  explicit PreferenceObjective(const ObjectiveConfig& config) : config_(config) {}

  bool reads_outputs() const override { return true; }
  double loss(const Batch& batch, std::span<const double> outputs) const override;
  void gradient(const Batch& batch, std::span<const double> outputs, std::span<double> d_outputs) const override;
  double weight(const Batch& batch) const override;
  void measure(const Batch& batch, std::span<const double> outputs, Measures& measures) const override;

  /// Returns the reward of each of the batch's sequences.   outputs (M); the result (sequences).
  std::vector<double> rewards(const Batch& batch, std::span<const double> outputs) const;

 private:
  /// What the outputs of each sequence add up to.
  struct Answers {
    std::vector<std::size_t> begins;           // in the M outputs, and the end of the last
    std::vector<double> sums, sizes, rewards;  // (sequences)
  };

  Answers answers_of(const Batch& batch, std::span<const double> outputs) const;
  double compare(const Comparison& comparison, std::span<const double> rewards, std::span<double> d_rewards) const;

  bool scores_tokens() const { return config_.type != ObjectiveKind::reward; }

  ObjectiveConfig config_;
};

}  // namespace kiln
