// Runs forward passes over a text, and computes the statistics of their losses.
#include "kiln/train/evaluate.h"

#include "kiln/core/error.h"
#include "kiln/core/intervals.h"
#include "kiln/core/stopwatch.h"
#include "kiln/data/batcher.h"
#include "kiln/nn/runner.h"

#include "train/preference_objective.h"
#include "train/shared_batches.h"
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr Index kBatchTokens = 1024;  // small enough for activations to stay in the cache

Index windows_per_batch(const ModelConfig& config) { return std::max<Index>(1, kBatchTokens / config.n_ctx); }

/// What the scored targets of a sequence add up to.
struct SequenceScore {
  Index batch = 0, part = 0;  // of the source
  double loss = 0;
  Index targets = 0, correct = 0;
  Index ends = 0, correct_ends = 0;  // of the targets that end a turn
  std::uint64_t bytes = 0;           // of the targets' text
};

/// Returns the standard error of the ratio estimator sum / size over groups of unequal size; nullopt for a single
/// group.
std::optional<double> standard_error(const std::vector<double>& sums, const std::vector<double>& sizes) {
  const double groups = static_cast<double>(sums.size());
  if (groups < 2) return std::nullopt;
  const double all = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  const double mean = std::accumulate(sums.begin(), sums.end(), 0.0) / all;
  double squares = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) squares += std::pow(sums[i] - mean * sizes[i], 2);
  return std::sqrt(squares * groups / (groups - 1)) / all;
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation_of(const std::vector<double>& values) {
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

/// The mean loss and its spread, from one sum of losses per sequence: sequences are independent, their tokens are not.
class SequenceStatistics {
 public:
  void add(const SequenceScore& score) {
    sums_.push_back(score.loss);
    sizes_.push_back(static_cast<double>(score.targets));
    all_.loss += score.loss;
    all_.targets += score.targets;
    all_.correct += score.correct;
    all_.ends += score.ends;
    all_.correct_ends += score.correct_ends;
    all_.bytes += score.bytes;
  }
  Index targets() const { return all_.targets; }

  /// Returns the evaluation of all sequences, which hold a target.
  Evaluation result() const {
    Evaluation result;
    result.loss = mean();
    if (const auto error = standard_error(sums_, sizes_)) result.margin = kNormalQuantile * *error;
    result.tokens = all_.targets;
    result.accuracy = share(all_.correct, all_.targets);
    if (all_.ends > 0) result.end_accuracy = share(all_.correct_ends, all_.ends);
    if (all_.bytes > 0) result.bits_per_byte = all_.loss / std::numbers::ln2 / static_cast<double>(all_.bytes);
    return result;
  }

  /// Returns the share of all targets that these statistics hold.
  double share_of(const SequenceStatistics& whole) const { return share(all_.targets, whole.all_.targets); }

 private:
  static double share(Index part, Index whole) { return static_cast<double>(part) / static_cast<double>(whole); }
  double mean() const { return all_.loss / static_cast<double>(all_.targets); }

  std::vector<double> sums_, sizes_;
  SequenceScore all_;
};

RunnerOptions evaluation_runner(const ModelConfig& config) {
  // Conversations of mixed lengths are rounded up, beyond what they hold.
  const Index rows = rounded_up_rows(evaluation_rows(config));
  return {.rows = rows, .scored = evaluation_rows(config)};
}

class RunnerEvaluator final : public Evaluator {
 public:
  RunnerEvaluator(std::unique_ptr<Runner<float>> runner, std::vector<std::uint32_t> text_bytes,
                  std::optional<TokenId> end_of_turn, World& world)
      : runner_(std::move(runner)), text_bytes_(std::move(text_bytes)), end_of_turn_(end_of_turn), world_(world) {}

  Evaluation evaluate(Weights weights, const EvaluationSource& source, const Progress& progress) override {
    const Stopwatch stopwatch;
    std::vector<SequenceScore> own;
    share_batches(world_, source, progress, [&](Index i) { score(weights, source, i, own); });
    const std::vector<std::string> names = source.parts();
    SequenceStatistics whole;
    std::vector<SequenceStatistics> parts(names.size());
    for (const SequenceScore& score : in_order(world_, own)) {
      whole.add(score);
      if (!names.empty()) parts[static_cast<std::size_t>(score.part)].add(score);
    }
    check(whole.targets() > 0,
          "{}: no token is scored, since every one follows an end token (data.attend_across_documents)", source.name());
    Evaluation result = whole.result();
    result.seconds = stopwatch.seconds();
    for (std::size_t p = 0; p < parts.size() && parts.size() > 1; ++p) {
      if (parts[p].targets() == 0) continue;
      result.parts.push_back(parts[p].result());
      result.parts.back().part = names[p];
      result.parts.back().seconds = result.seconds * parts[p].share_of(whole);
    }
    return result;
  }

 private:
  const ModelConfig& config() const override { return runner_->config(); }

  /// Appends the scores of the sequences of batch i that have a target.
  void score(Weights weights, const EvaluationSource& source, Index i, std::vector<SequenceScore>& scores) {
    source.fill(i, batch_);
    if (!is_in_vocabulary(batch_)) source.fail_vocabulary(runner_->vocab_size());
    losses_.resize(batch_.targets.size());
    best_.resize(batch_.targets.size());
    runner_->forward(weights, batch_.rows);
    runner_->score(batch_.scored_targets(), Vec<float>(losses_.data(), std::ssize(losses_)), best_);
    std::size_t m = 0;
    for (const Sequence& sequence : batch_.rows.sequences) {
      SequenceScore score = take_score(sequence, m);
      score.batch = i;
      score.part = source.part(i);
      if (score.targets > 0) scores.push_back(score);
    }
  }

  /// Adds up the scored targets of a sequence, the first of which is target m of the batch, and moves m past them.
  SequenceScore take_score(const Sequence& sequence, std::size_t& m) const {
    SequenceScore score;
    for (; m < losses_.size() && batch_.scored[m] < sequence.row + sequence.length; ++m) {
      const bool is_correct = best_[m] == batch_.targets[m];
      score.loss += static_cast<double>(losses_[m]);
      ++score.targets;
      score.correct += is_correct ? 1 : 0;
      if (batch_.targets[m] == end_of_turn_) {
        ++score.ends;
        score.correct_ends += is_correct ? 1 : 0;
      }
      score.bytes += text_bytes_of(batch_.targets[m]);
    }
    return score;
  }

  /// Returns the bytes of an id; 0 for ids beyond the tokenizer's.
  std::uint32_t text_bytes_of(std::int32_t id) const {
    const auto index = static_cast<std::size_t>(id);
    return index < text_bytes_.size() ? text_bytes_[index] : 0;
  }

  bool is_in_vocabulary(const Batch& batch) const {
    const auto is_below = [V = runner_->vocab_size()](std::int32_t id) {
      return static_cast<Index>(static_cast<std::uint32_t>(id)) < V;
    };
    return std::ranges::all_of(batch.rows.tokens, is_below) && std::ranges::all_of(batch.targets, is_below);
  }

  std::unique_ptr<Runner<float>> runner_;
  std::vector<std::uint32_t> text_bytes_;  // by id
  std::optional<TokenId> end_of_turn_;
  World& world_;
  Batch batch_;
  std::vector<float> losses_;       // (M) of a batch
  std::vector<std::int32_t> best_;  // (M) of a batch
};

/// What an evaluation measures of a batch of judged answers.
struct BatchOfAnswers {
  Index batch = 0;
  double loss = 0, size = 0;
  PreferenceSums sums;
};
/// The reward of an answer.
struct AnswerReward {
  Index batch = 0;
  double reward = 0;
};

/// Evaluates comparisons of answers by an objective's loss.
class PreferenceEvaluator final : public Evaluator {
 public:
  PreferenceEvaluator(std::unique_ptr<Runner<float>> runner, const ObjectiveConfig& objective, World& world)
      : runner_(std::move(runner)), objective_(objective), batch_runner_(*runner_, objective_), world_(world) {}

  Evaluation evaluate(Weights weights, const EvaluationSource& source, const Progress& progress) override {
    const Stopwatch stopwatch;
    std::vector<BatchOfAnswers> own;
    std::vector<AnswerReward> own_rewards;
    share_batches(world_, source, progress, [&](Index i) {
      source.fill(i, batch_);
      BatchOfAnswers& measured = own.emplace_back();
      measured.batch = i;
      measured.loss = batch_runner_.loss(weights, batch_, {});
      measured.size = objective_.weight(batch_);
      Measures measures;
      objective_.measure(batch_, batch_runner_.outputs(), measures);
      measured.sums = measures.preferences;
      for (const double reward : objective_.rewards(batch_, batch_runner_.outputs()))
        own_rewards.push_back({i, reward});
    });
    PreferenceSums all;
    std::vector<double> losses, sizes, rewards;
    for (const BatchOfAnswers& measured : in_order(world_, own)) {
      losses.push_back(measured.loss);
      sizes.push_back(measured.size);
      all.add(measured.sums);
    }
    for (const AnswerReward& answer : in_order(world_, own_rewards)) rewards.push_back(answer.reward);
    Evaluation result;
    result.loss = std::accumulate(losses.begin(), losses.end(), 0.0) / all.weight;
    if (const auto error = standard_error(losses, sizes)) result.margin = kNormalQuantile * *error;
    result.tokens = source.tokens();
    result.accuracy = all.decided_weight > 0 ? all.correct / all.decided_weight : NAN;
    result.reward_mean = mean_of(rewards);
    result.reward_deviation = deviation_of(rewards);
    result.seconds = stopwatch.seconds();
    return result;
  }

 private:
  const ModelConfig& config() const override { return runner_->config(); }

  std::unique_ptr<Runner<float>> runner_;
  PreferenceObjective objective_;
  BatchRunner<float> batch_runner_;
  World& world_;
  Batch batch_;
};

}  // namespace

double Evaluation::perplexity() const { return std::exp(loss); }

Evaluation Evaluator::evaluate(Weights weights, const TokenFile& tokens, const Progress& progress) {
  return evaluate(weights, *make_text_evaluation(config(), tokens), progress);
}

Index evaluation_rows(const ModelConfig& config) { return windows_per_batch(config) * config.n_ctx; }

std::unique_ptr<EvaluationSource> make_text_evaluation(const ModelConfig& config, const TokenFile& tokens,
                                                       Index most_tokens, std::optional<TokenId> border) {
  return std::make_unique<EvaluationBatches>(tokens, config.n_ctx, windows_per_batch(config), most_tokens, border);
}

std::unique_ptr<Evaluator> make_evaluator(const ModelConfig& config, Index vocab_size, Precision precision,
                                          std::vector<std::uint32_t> text_bytes, std::optional<TokenId> end_of_turn,
                                          World& world) {
  return std::make_unique<RunnerEvaluator>(make_runner(config, vocab_size, precision, evaluation_runner(config)),
                                           std::move(text_bytes), end_of_turn, world);
}

std::unique_ptr<Evaluator> make_preference_evaluator(const ModelConfig& config, Index vocab_size, Precision precision,
                                                     const ObjectiveConfig& objective, Index rows, World& world) {
  return std::make_unique<PreferenceEvaluator>(
      make_runner(config, vocab_size, precision, {.rows = rounded_up_rows(rows), .scored = rows}), objective, world);
}

std::size_t evaluator_bytes(const ModelConfig& config, Index vocab_size, Precision precision) {
  return runner_bytes(config, vocab_size, precision, evaluation_runner(config));
}

}  // namespace kiln
