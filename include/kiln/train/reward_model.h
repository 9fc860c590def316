// Scores answers by a reward model, and compares its scores with people's judgements.
#pragma once

#include "kiln/core/intervals.h"
#include "kiln/data/judgements.h"
#include "kiln/run/model_loader.h"
#include "kiln/text/chat_template.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// An answer to the messages before it.
struct AnswerToScore {
  std::span<const ChatMessage> messages;
  std::string_view answer;
};

/// A model that scores answers: its number at the end of the answer's turn, less the mean of the answers that it was
/// evaluated on, divided by their standard deviation.
class RewardModel {
 public:
  /// Takes over the model. Throws Error (usage) if it is no reward model, and as chat_template_of does for its
  /// template.
  explicit RewardModel(LoadedModel loaded);

  /// Returns what model_name calls it.
  const std::string& name() const { return name_; }

  /// Returns a score for each answer; nullopt for an empty one and for one longer than n_ctx. A prompt that does not
  /// fit loses its beginning. Throws Error (diverged) if a score is not finite.
  std::vector<std::optional<double>> scores(std::span<const AnswerToScore> answers) const;

  /// Returns the probability that an answer is better than another whose score is lower by `difference`.
  double probability(double difference) const;

 private:
  LoadedModel loaded_;
  std::string name_;
  ChatTemplate chat_;
};

/// Of the pairs to which the model gives a probability from `low` to `high`: how many, and how many it gets right.
struct CalibrationBin {
  double low = 0, high = 0;
  double mean = 0;  // of the probabilities
  Share right;
};

/// How scores agree with judgements. Pairs of one prompt are one group; ties, and pairs with an answer that has no
/// score, are left out.
struct RewardReport {
  Share accuracy;       // pairs whose better answer has the higher score; equal scores are half right
  double log_loss = 0;  // mean of -log of the probability of what was judged, in nats
  std::vector<CalibrationBin> calibration;
};

/// `scores` holds those of each prompt's answers.
RewardReport report_on_scores(std::span<const JudgedPrompt> prompts,
                              std::span<const std::vector<std::optional<double>>> scores, const RewardModel& model);

}  // namespace kiln
