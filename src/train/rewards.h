// Scores answers by the rewards that a config names.
#pragma once

#include "kiln/core/world.h"
#include "kiln/kernels/precision.h"
#include "kiln/run/reward_config.h"

#include "train/reward.h"
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace kiln {

/// Of one reward over the answers of a call, before its weight.
struct RewardFigures {
  std::string name;
  double mean = 0, deviation = 0;  // the standard deviation: the root of the mean squared distance from the mean
};

struct ScoredAnswers {
  std::vector<double> scores;  // sums over the rewards, by their weights; one an answer
  std::vector<RewardFigures> parts;
};

/// The rewards of a config.
class Rewards {
 public:
  /// `rewards` must be valid (validate_rewards), and their paths located. An answer has at most `max_tokens`. Loads
  /// reward models and rules; starts no program. `world` must outlive the object. Throws Error as load_model and
  /// AnswerRule do.
  Rewards(std::vector<RewardConfig> rewards, Index max_tokens, Precision precision, World& world = World::alone());

  /// Scores answers, the same on all ranks, which share the work of reward models; only the root has programs. No
  /// answers have no scores, and figures of 0.
  /// - model: an answer without a score, since it is empty or longer than the model's n_ctx, gets the lowest score of
  ///   the call's other answers; 0, the mean of the answers that the model was evaluated on, if none has a score.
  /// - command: the program is started at the first answer and stays alive. If it ends, hangs, or writes no number, it
  /// is
  ///   started again and asked the same.
  /// Throws Error: usage for exact and number if an answer's record has no expected answer (number: none with a number
  /// in it), if a program cannot be started, and if a sum is not finite; io if a program fails three times in a row;
  /// diverged if a reward model's score is not finite; what `while_waiting` throws, which is called while a program
  /// computes (see LineProcess::ask).
  ScoredAnswers score(std::span<const DrawnAnswer> answers, const WhileWaiting& while_waiting = {});

 private:
  std::vector<RewardConfig> configs_;
  std::vector<std::unique_ptr<Reward>> rewards_;  // one a config
};

}  // namespace kiln
