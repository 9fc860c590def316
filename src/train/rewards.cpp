// Makes the rewards, and adds their scores up.
#include "train/rewards.h"

#include "kiln/core/error.h"
#include "kiln/core/pattern.h"
#include "kiln/data/answer_rule.h"
#include "kiln/run/model_loader.h"
#include "kiln/train/reward_model.h"

#include "train/command_reward.h"
#include "train/text_rewards.h"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

namespace kiln {
namespace {

/// Scores each answer by itself.
class EachAnswer final : public Reward {
 public:
  using Score = std::function<double(const DrawnAnswer&)>;
  explicit EachAnswer(Score score) : score_(std::move(score)) {}

  std::vector<double> score(std::span<const DrawnAnswer> answers, const WhileWaiting& /*while_waiting*/) override {
    std::vector<double> scores;
    for (const DrawnAnswer& answer : answers) scores.push_back(score_(answer));
    return scores;
  }

 private:
  Score score_;
};

/// Scores answers by a reward model. Each rank scores a part of them.
class ModelReward final : public Reward {
 public:
  ModelReward(const std::string& path, Precision precision, World& world)
      : model_(load_model(open_model(path), ModelKind::reward, precision)), world_(world) {}

  std::vector<double> score(std::span<const DrawnAnswer> answers, const WhileWaiting& /*while_waiting*/) override {
    std::vector<double> scores = scores_of_all(answers);
    std::optional<double> lowest;
    for (const double score : scores) {
      if (!std::isnan(score)) lowest = std::min(score, lowest.value_or(score));
    }
    for (double& score : scores) {
      if (std::isnan(score)) score = lowest.value_or(0);
    }
    return scores;
  }

 private:
  /// Returns NaN for an answer without a score.
  std::vector<double> scores_of_all(std::span<const DrawnAnswer> answers) const {
    std::vector<std::int64_t> bounds;  // of each rank's part
    for (int rank = 0; rank <= world_.size(); ++rank) bounds.push_back(std::ssize(answers) * rank / world_.size());
    const auto begin = static_cast<std::size_t>(bounds[static_cast<std::size_t>(world_.rank())]);
    const auto end = static_cast<std::size_t>(bounds[static_cast<std::size_t>(world_.rank()) + 1]);
    std::vector<AnswerToScore> asked;
    for (const DrawnAnswer& answer : answers.subspan(begin, end - begin))
      asked.push_back({answer.messages, answer.text});
    const std::vector<std::optional<double>> found = model_.scores(asked);
    std::vector<double> scores(answers.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      scores[begin + i] = found[i].value_or(std::numeric_limits<double>::quiet_NaN());
    }
    world_.all_gather(std::span(scores), bounds);
    return scores;
  }

  RewardModel model_;
  World& world_;
};

/// Scores answers by a program, which only the root has.
class SharedCommandReward final : public Reward {
 public:
  SharedCommandReward(const RewardConfig& config, World& world) : world_(world) {
    if (world.is_root()) command_.emplace(config);
  }

  std::vector<double> score(std::span<const DrawnAnswer> answers, const WhileWaiting& while_waiting) override {
    std::vector<double> scores(answers.size());
    if (command_) scores = command_->score(answers, while_waiting);
    world_.broadcast(std::as_writable_bytes(std::span(scores)));
    return scores;
  }

 private:
  std::optional<CommandReward> command_;
  World& world_;
};

/// Returns what scores an answer by itself.
EachAnswer::Score score_of_each(const RewardConfig& config, Index max_tokens) {
  const std::string name = config.shown_name();
  switch (config.type) {
    case RewardKind::rule:
      return [rule = std::make_shared<AnswerRule>(*config.path)](const DrawnAnswer& a) { return rule->score(a.text); };
    case RewardKind::exact:
      return [name](const DrawnAnswer& a) { return exact_score(a, name); };
    case RewardKind::number:
      return [name, tolerance = config.tolerance](const DrawnAnswer& a) { return number_score(a, tolerance, name); };
    case RewardKind::regex:
      return [pattern = std::make_shared<Pattern>(*config.pattern)](const DrawnAnswer& a) {
        return pattern->find(a.text) ? 1.0 : 0.0;
      };
    case RewardKind::contains:
      return [text = *config.pattern](const DrawnAnswer& a) {
        return a.text.find(text) != std::string_view::npos ? 1.0 : 0.0;
      };
    case RewardKind::length:
      return [max_tokens](const DrawnAnswer& a) {
        return std::min(1.0, static_cast<double>(a.tokens) / static_cast<double>(max_tokens));
      };
    case RewardKind::repetition:
      return [](const DrawnAnswer& a) { return repetition_score(a.text); };
    case RewardKind::unfinished:
      return [](const DrawnAnswer& a) { return a.ended ? 0.0 : 1.0; };
    case RewardKind::model:
    case RewardKind::command:
      break;  // score all answers of a call together
  }
  return {};
}

std::unique_ptr<Reward> make_reward(const RewardConfig& config, Index max_tokens, Precision precision, World& world) {
  if (config.type == RewardKind::model) return std::make_unique<ModelReward>(*config.path, precision, world);
  if (config.type == RewardKind::command) return std::make_unique<SharedCommandReward>(config, world);
  return std::make_unique<EachAnswer>(score_of_each(config, max_tokens));
}

RewardFigures figures_of(std::string name, const std::vector<double>& scores) {
  RewardFigures figures{.name = std::move(name)};
  if (scores.empty()) return figures;
  const double count = static_cast<double>(scores.size());
  for (const double score : scores) figures.mean += score / count;
  double variance = 0;
  for (const double score : scores) variance += (score - figures.mean) * (score - figures.mean) / count;
  figures.deviation = std::sqrt(variance);
  return figures;
}

}  // namespace

Rewards::Rewards(std::vector<RewardConfig> rewards, Index max_tokens, Precision precision, World& world)
    : configs_(std::move(rewards)) {
  for (const RewardConfig& config : configs_) rewards_.push_back(make_reward(config, max_tokens, precision, world));
}

ScoredAnswers Rewards::score(std::span<const DrawnAnswer> answers, const WhileWaiting& while_waiting) {
  ScoredAnswers scored{.scores = std::vector<double>(answers.size(), 0.0), .parts = {}};
  for (std::size_t r = 0; r < rewards_.size(); ++r) {
    const std::vector<double> scores = rewards_[r]->score(answers, while_waiting);
    scored.parts.push_back(figures_of(configs_[r].shown_name(), scores));
    for (std::size_t i = 0; i < answers.size(); ++i) {
      scored.scores[i] += configs_[r].weight * scores[i];
      check(std::isfinite(scored.scores[i]), "reward \"{}\": {} times its weight of {} is too large; lower the weight",
            configs_[r].shown_name(), scores[i], configs_[r].weight);
    }
  }
  return scored;
}

}  // namespace kiln
