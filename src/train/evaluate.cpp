// Forward passes over a text, and the statistics of their losses.
#include "kiln/train/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

namespace kiln {
namespace {

constexpr Index kBatchTokens = 4096;
constexpr double kNormalQuantile = 1.959963984540054;  // of 97.5%

Index windows_per_batch(const ModelConfig& config) { return std::max<Index>(1, kBatchTokens / config.n_ctx); }

/// The mean loss and its spread, from one sum of losses a window: tokens of a window share a context, windows do not.
class WindowStatistics {
 public:
  void add(double sum, Index tokens) {
    sums_.push_back(sum);
    sizes_.push_back(static_cast<double>(tokens));
    total_ += sum;
    tokens_ += static_cast<double>(tokens);
  }
  double total() const { return total_; }
  double mean() const { return total_ / tokens_; }

  /// Standard error of the ratio estimator sum / tokens over windows of unequal size.
  double standard_error() const {
    const double windows = static_cast<double>(sums_.size());
    if (windows < 2) return 0;
    double squares = 0;
    for (std::size_t i = 0; i < sums_.size(); ++i) squares += std::pow(sums_[i] - mean() * sizes_[i], 2);
    return std::sqrt(squares * windows / (windows - 1)) / tokens_;
  }

 private:
  std::vector<double> sums_, sizes_;
  double total_ = 0, tokens_ = 0;
};

}  // namespace

double Evaluation::perplexity() const { return std::exp(loss); }

Evaluator::Evaluator(const LanguageModel<float>& model)
    : model_(model), windows_(windows_per_batch(model.config())), arena_(memory_bytes(model)) {}

std::size_t Evaluator::memory_bytes(const LanguageModel<float>& model) {
  const Index B = windows_per_batch(model.config()), T = model.config().n_ctx;
  Arena counting = Arena::counting();
  model.trunk.lay_out(counting, B, T, Keep::one);
  model.head.lay_out(counting, B * T);
  return counting.peak_bytes();
}

Evaluation Evaluator::evaluate(const ParameterBuffer<float>& weights, const TokenFile& tokens,
                               const Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  tokens.check_vocabulary(model_.vocab_size());
  const EvaluationBatches batches(tokens, model_.config().n_ctx, windows_);
  WindowStatistics statistics;
  Index correct = 0;
  for (Index i = 0; i < batches.size(); ++i) {
    batches.fill(i, batch_);
    score(weights, batch_);
    for (Index b = 0; b < batch_.B; ++b) {
      double sum = 0;
      for (auto n = static_cast<std::size_t>(b * batch_.T); n < static_cast<std::size_t>((b + 1) * batch_.T); ++n) {
        sum += static_cast<double>(losses_[n]);
        correct += best_[n] == batch_.targets[n] ? 1 : 0;
      }
      statistics.add(sum, batch_.T);
    }
    if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(batches.size()));
  }
  Evaluation result;
  result.loss = statistics.mean();
  const double margin = kNormalQuantile * statistics.standard_error();
  result.confidence_low = result.loss - margin;
  result.confidence_high = result.loss + margin;
  result.tokens = batches.targets();
  result.accuracy = static_cast<double>(correct) / static_cast<double>(result.tokens);
  if (const std::optional<Index> bytes = tokens.text_bytes()) {
    result.bits_per_byte = statistics.total() / std::numbers::ln2 / static_cast<double>(*bytes);
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

void Evaluator::score(const ParameterBuffer<float>& weights, const Batch& batch) {
  const Index N = batch.B * batch.T;
  losses_.resize(static_cast<std::size_t>(N));
  best_.resize(static_cast<std::size_t>(N));
  const std::size_t empty = arena_.mark();
  GptActivations<float> activations = model_.trunk.lay_out(arena_, batch.B, batch.T, Keep::one);
  HeadScratch<float> scratch = model_.head.lay_out(arena_, N);
  model_.trunk.forward(weights, batch.inputs, StepContext{}, activations);
  model_.head.forward(weights, as_const(activations.hidden), batch.targets, scratch, Vec<float>(losses_.data(), N),
                      best_);
  arena_.release(empty);
}

}  // namespace kiln
