// Reads and writes metrics.jsonl: one line per row of measurements, complete or not there at all.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/core/file_streams.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// The mean of a reward that the config names.
struct NamedMean {
  std::string name;
  double mean = 0;
};

/// A row. It has every key of kMetrics but those of some objectives alone; null means not measured, or not finite.
struct MetricsRow {
  std::int64_t step = 0;
  std::int64_t tokens = 0;
  double seconds = 0;
  std::optional<double> loss;
  std::optional<double> learning_rate;
  std::optional<double> grad_norm;
  std::optional<double> tokens_per_second;
  std::optional<double> validation_loss;
  std::optional<double> bits_per_byte;
  std::optional<double> perplexity;
  std::optional<double> accuracy;
  std::optional<double> end_accuracy;
  // Of judged answers, over the comparisons of a step:
  std::optional<double> chosen_reward, rejected_reward, reward_margin, reward_accuracy;
  std::optional<double> chosen_log_prob, rejected_log_prob;
  // Of policy gradients, over the answers of a rollout or the tokens of a step:
  std::optional<double> reward, reward_deviation, kl, kl_k3, kl_weight, entropy, equal_groups;
  std::optional<double> mean_length, least_length, largest_length, unfinished;
  std::optional<double> clipped_low, clipped_high, divergence, value_loss;
  std::optional<double> held_out_reward, held_out_gold, held_out_kl;
  // Of several ranks:
  std::optional<double> waiting, slowest_rank, lag;
  std::vector<NamedMean> rewards;  // the mean of each reward by itself

  template <class V>
  void visit(V& v);
};

/// A measured column of a row: its key in metrics.jsonl, and how figures and TensorBoard show it.
struct Metric {
  enum class Best { none, lowest, highest };  // none: a metric of training; else which evaluation is the best

  std::optional<double> MetricsRow::*value;
  std::string_view key;
  std::string_view help;
  const char* name;       // in a figure's legend
  const char* axis;       // of a figure, with the unit
  const char* tag;        // of TensorBoard
  bool is_noisy = false;  // figures add a smoothed curve
  Best best = Best::none;
  bool of_some = false;  // only in rows of runs of some objectives, or of several ranks
};

/// All measured columns, in the order of the file. A new one is a field of MetricsRow and an entry here.
inline constexpr std::array<Metric, 36> kMetrics{{
    {&MetricsRow::loss, "loss", "loss of the step's batch before its update, in nats per token", "training loss",
     "loss (nats per token)", "loss/training", true},
    {&MetricsRow::learning_rate, "learning_rate", "learning rate of the step", "learning rate", "learning rate",
     "training/learning_rate"},
    {&MetricsRow::grad_norm, "grad_norm", "norm of the gradient, before clipping", "gradient norm",
     "norm of the gradient, before clipping", "training/gradient_norm", true},
    {&MetricsRow::tokens_per_second, "tokens_per_second", "training speed since the last row", "tokens per second",
     "tokens per second", "training/tokens_per_second", true},
    {&MetricsRow::validation_loss, "validation_loss",
     "loss on the validation split, or on train.eval_tokens of it; null without an evaluation", "validation loss",
     "validation loss (nats per token)", "loss/validation", false, Metric::Best::lowest},
    {&MetricsRow::bits_per_byte, "bits_per_byte",
     "bits per byte of the same text; null if its size in bytes is unknown", "bits per byte",
     "bits per byte of validation", "validation/bits_per_byte", false, Metric::Best::lowest},
    {&MetricsRow::perplexity, "perplexity", "exp(validation_loss)", "perplexity", "perplexity of validation",
     "validation/perplexity", false, Metric::Best::lowest},
    {&MetricsRow::accuracy, "accuracy", "share of the same tokens that the model ranked first", "accuracy",
     "accuracy of validation (share)", "validation/accuracy", false, Metric::Best::highest},
    {&MetricsRow::end_accuracy, "end_accuracy", "accuracy on the tokens that end a turn, in conversations",
     "end-of-turn accuracy", "accuracy of the ends of turns (share)", "validation/end_accuracy", false,
     Metric::Best::highest},
    {&MetricsRow::chosen_reward, "rewards/chosen", "mean reward of the chosen answers of the step's batch",
     "reward of chosen answers", "reward of chosen answers", "rewards/chosen", true, Metric::Best::none, true},
    {&MetricsRow::rejected_reward, "rewards/rejected", "mean reward of the rejected answers",
     "reward of rejected answers", "reward of rejected answers", "rewards/rejected", true, Metric::Best::none, true},
    {&MetricsRow::reward_margin, "rewards/margins", "difference of the two", "reward margin",
     "reward of chosen minus rejected answers", "rewards/margins", true, Metric::Best::none, true},
    {&MetricsRow::reward_accuracy, "rewards/accuracies",
     "share of comparisons whose chosen answer has the higher reward; equal rewards count as wrong", "reward accuracy",
     "comparisons in the right order (share)", "rewards/accuracies", true, Metric::Best::none, true},
    {&MetricsRow::chosen_log_prob, "logps/chosen", "mean log p of the chosen answers, in nats",
     "log p of chosen answers", "log p of chosen answers (nats)", "logps/chosen", true, Metric::Best::none, true},
    {&MetricsRow::rejected_log_prob, "logps/rejected", "mean log p of the rejected answers, in nats",
     "log p of rejected answers", "log p of rejected answers (nats)", "logps/rejected", true, Metric::Best::none, true},
    {&MetricsRow::reward, "reward", "mean score of the rollout's answers", "reward", "mean score of drawn answers",
     "reward", true, Metric::Best::none, true},
    {&MetricsRow::reward_deviation, "reward_std", "standard deviation of these scores", "deviation of rewards",
     "standard deviation of scores", "reward_std", true, Metric::Best::none, true},
    {&MetricsRow::kl, "kl", "divergence of the rollout's answers from the reference: mean of the sums of log p - log p",
     "KL", "KL from the reference (nats per answer)", "kl", true, Metric::Best::none, true},
    {&MetricsRow::kl_k3, "kl/k3", "the same by an estimator of lower variance, which is never negative", "KL (k3)",
     "KL from the reference (nats per answer)", "kl/k3", true, Metric::Best::none, true},
    {&MetricsRow::kl_weight, "beta", "weight of the divergence, which policy.kl_target adapts", "beta",
     "weight of the divergence", "beta", false, Metric::Best::none, true},
    {&MetricsRow::entropy, "entropy", "mean of -log p of the drawn tokens, in nats", "entropy",
     "entropy (nats per token)", "entropy", true, Metric::Best::none, true},
    {&MetricsRow::equal_groups, "frac_reward_zero_std", "share of the prompts whose answers all have the same score",
     "prompts without a difference", "share of prompts", "frac_reward_zero_std", true, Metric::Best::none, true},
    {&MetricsRow::mean_length, "completions/mean_length", "mean tokens of the rollout's answers", "mean length",
     "tokens of an answer", "completions/mean_length", true, Metric::Best::none, true},
    {&MetricsRow::least_length, "completions/min_length", "tokens of the shortest answer", "shortest answer",
     "tokens of an answer", "completions/min_length", true, Metric::Best::none, true},
    {&MetricsRow::largest_length, "completions/max_length", "tokens of the longest answer", "longest answer",
     "tokens of an answer", "completions/max_length", true, Metric::Best::none, true},
    {&MetricsRow::unfinished, "completions/clipped_ratio", "share of the answers that did not end by themselves",
     "unfinished answers", "share of answers", "completions/clipped_ratio", true, Metric::Best::none, true},
    {&MetricsRow::clipped_low, "clip_ratio/low_mean", "share of the step's tokens beyond the lower clip", "clipped low",
     "share of tokens", "clip_ratio/low_mean", true, Metric::Best::none, true},
    {&MetricsRow::clipped_high, "clip_ratio/high_mean", "share of the step's tokens beyond the upper clip",
     "clipped high", "share of tokens", "clip_ratio/high_mean", true, Metric::Best::none, true},
    {&MetricsRow::divergence, "policy/approxkl_avg", "divergence of the learning from the drawing model",
     "KL from the drawing model", "nats per token", "policy/approxkl_avg", true, Metric::Best::none, true},
    {&MetricsRow::value_loss, "loss/value_avg", "half the squared error of the value head", "value loss",
     "half the squared error", "loss/value_avg", true, Metric::Best::none, true},
    {&MetricsRow::held_out_reward, "validation/reward", "mean score of answers to the held-out prompts",
     "held-out reward", "mean score of answers to held-out prompts", "validation/reward", false, Metric::Best::highest,
     true},
    {&MetricsRow::held_out_gold, "validation/gold", "mean of policy.gold over the same answers", "held-out gold",
     "mean score of answers to held-out prompts", "validation/gold", false, Metric::Best::highest, true},
    {&MetricsRow::held_out_kl, "validation/kl", "divergence of the same answers from the reference", "held-out KL",
     "KL from the reference (nats per answer)", "validation/kl", false, Metric::Best::none, true},
    {&MetricsRow::waiting, "ranks/waiting", "share of the step in which rank 0 waited for the others", "waiting",
     "share of the step", "ranks/waiting", true, Metric::Best::none, true},
    {&MetricsRow::slowest_rank, "ranks/slowest", "the rank that computed longest", "slowest rank", "rank",
     "ranks/slowest", false, Metric::Best::none, true},
    {&MetricsRow::lag, "ranks/lag", "its seconds above the mean of all ranks", "lag of the slowest rank", "seconds",
     "ranks/lag", true, Metric::Best::none, true},
}};

/// The keys of kMetrics.
inline constexpr auto kMetricKeys = [] {
  std::array<std::string_view, kMetrics.size()> keys;
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = kMetrics[i].key;
  return keys;
}();

/// Returns the metric with this key, which must exist.
const Metric& metric_of(std::string_view key);

template <class V>
void MetricsRow::visit(V& v) {
  v("step", step, "steps taken, including those whose update was skipped");
  v("tokens", tokens, "tokens trained on");
  v("seconds", seconds, "wall time since training began, to the microsecond, summed over resumes");
  for (const Metric& metric : kMetrics) v(metric.key, this->*metric.value, metric.help);
}

/// Appends rows to a file, each in one write. Keeps a row that could not be written for the next attempt.
class MetricsWriter {
 public:
  explicit MetricsWriter(const std::filesystem::path& path) : path_(path), lines_(path) {}  // throws Error (io)
  void append(const MetricsRow& row);                                                       // throws Error (io)
  void sync();  // flushes all rows to the disk; throws Error (io)

  /// Replaces all rows of this step and later by `row`. Throws Error (io) and then leaves the file unchanged.
  void replace(const MetricsRow& row);

 private:
  void write_kept();

  std::filesystem::path path_;
  LineAppender lines_;
  std::deque<std::string> kept_;  // rows to write
};

/// The complete lines of a file: its rows, and the problems of lines that are not rows.
struct MetricsLines {
  std::vector<MetricsRow> rows;
  std::vector<std::string> problems;  // "runs/x/metrics.jsonl:3: ..."
  bool ends_within_a_line = false;    // a write was interrupted there
};
MetricsLines scan_metrics(const std::filesystem::path& path);

/// Returns the rows of a file; none if it is missing. Ignores an incomplete last line, from an interrupted write.
/// Throws Error (bad_input) that names the first line that is not a row.
std::vector<MetricsRow> read_metrics(const std::filesystem::path& path);

/// Removes the rows after `step`, for a run that continues from there, and lines that are incomplete or not rows.
void truncate_metrics(const std::filesystem::path& path, std::int64_t step);

}  // namespace kiln
