// Forward passes over a text, and the statistics of their losses.
#include "kiln/train/evaluate.h"

#include "kiln/core/stopwatch.h"
#include "kiln/nn/language_model.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr Index kBatchTokens = 1024;                   // little enough for activations to stay in the cache
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

  /// The loss and its 95% interval.
  Evaluation result() const {
    Evaluation result;
    result.loss = mean();
    if (const std::optional<double> error = standard_error()) result.margin = kNormalQuantile * *error;
    return result;
  }

 private:
  double mean() const { return total_ / tokens_; }

  /// Standard error of the ratio estimator sum / tokens over windows of unequal size.
  std::optional<double> standard_error() const {
    const double windows = static_cast<double>(sums_.size());
    if (windows < 2) return std::nullopt;
    double squares = 0;
    for (std::size_t i = 0; i < sums_.size(); ++i) squares += std::pow(sums_[i] - mean() * sizes_[i], 2);
    return std::sqrt(squares * windows / (windows - 1)) / tokens_;
  }

  std::vector<double> sums_, sizes_;
  double total_ = 0, tokens_ = 0;
};

template <class T>
std::size_t memory_bytes(const LanguageModel<T>& model) {
  const Index B = windows_per_batch(model.config()), length = model.config().n_ctx;
  return bytes_of([&](Arena& arena) {
    model.head.lay_out(arena, B * length);
    model.trunk.lay_out(arena, B, length, Keep::nothing);
  });
}

template <class T>
class EvaluatorOf final : public Evaluator {
 public:
  EvaluatorOf(const ModelConfig& config, Index vocab_size, std::vector<std::uint32_t> text_bytes, Index most_tokens)
      : model_(config, vocab_size),
        windows_(windows_per_batch(config)),
        text_bytes_(std::move(text_bytes)),
        most_tokens_(most_tokens),
        arena_(memory_bytes(model_)),
        scratch_(model_.head.lay_out(arena_, windows_ * config.n_ctx)) {}

  Evaluation evaluate(Weights weights, const TokenFile& tokens, const Progress& progress) override {
    const Stopwatch stopwatch;
    const EvaluationBatches batches(tokens, model_.config().n_ctx, windows_, most_tokens_);
    WindowStatistics statistics;
    Index correct = 0;
    std::uint64_t bytes = 0;  // of text, that the targets stand for
    for (Index i = 0; i < batches.size(); ++i) {
      batches.fill(i, batch_);
      if (!is_in_vocabulary(batch_)) tokens.check_vocabulary(model_.vocab_size());  // says where
      score(weights.as<T>());
      for (Index b = 0; b < batch_.B; ++b) {
        double sum = 0;
        for (auto n = static_cast<std::size_t>(b * batch_.T); n < static_cast<std::size_t>((b + 1) * batch_.T); ++n) {
          sum += static_cast<double>(losses_[n]);
          correct += best_[n] == batch_.targets[n] ? 1 : 0;
          bytes += text_bytes_of(batch_.targets[n]);
        }
        statistics.add(sum, batch_.T);
      }
      if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(batches.size()));
    }
    Evaluation result = statistics.result();
    result.tokens = batches.targets();
    result.accuracy = static_cast<double>(correct) / static_cast<double>(result.tokens);
    if (bytes > 0) result.bits_per_byte = statistics.total() / std::numbers::ln2 / static_cast<double>(bytes);
    result.seconds = stopwatch.seconds();
    return result;
  }

 private:
  /// A model may have more ids than its tokenizer; those stand for nothing.
  std::uint32_t text_bytes_of(std::int32_t id) const {
    const auto index = static_cast<std::size_t>(id);
    return index < text_bytes_.size() ? text_bytes_[index] : 0;
  }

  bool is_in_vocabulary(const Batch& batch) const {
    const auto is_below = [V = model_.vocab_size()](std::int32_t id) {
      return static_cast<Index>(static_cast<std::uint32_t>(id)) < V;
    };
    return std::ranges::all_of(batch.inputs, is_below) && std::ranges::all_of(batch.targets, is_below);
  }

  /// Losses and likeliest tokens of the batch at hand.
  void score(const ParameterBuffer<T>& weights) {
    const Index N = batch_.B * batch_.T;
    losses_.resize(static_cast<std::size_t>(N));
    best_.resize(static_cast<std::size_t>(N));
    const std::size_t trunk_begin = arena_.mark();
    GptActivations<T> activations = model_.trunk.lay_out(arena_, batch_.B, batch_.T, Keep::nothing);
    model_.trunk.forward(weights, batch_.inputs, StepContext{}, activations);
    model_.head.forward(weights, as_const(activations.hidden), batch_.targets, scratch_, Vec<Acc<T>>(losses_.data(), N),
                        best_);
    arena_.release(trunk_begin);
  }

  LanguageModel<T> model_;
  Index windows_;                          // a batch
  std::vector<std::uint32_t> text_bytes_;  // by id
  Index most_tokens_;
  Arena arena_;
  HeadScratch<T> scratch_;
  Batch batch_;
  std::vector<Acc<T>> losses_;
  std::vector<std::int32_t> best_;
};

}  // namespace

double Evaluation::perplexity() const { return std::exp(loss); }

std::unique_ptr<Evaluator> make_evaluator(const ModelConfig& config, Index vocab_size, Precision precision,
                                          std::vector<std::uint32_t> text_bytes, Index most_tokens) {
  return with_precision(precision, [&]<class T>() -> std::unique_ptr<Evaluator> {
    return std::make_unique<EvaluatorOf<T>>(config, vocab_size, std::move(text_bytes), most_tokens);
  });
}

std::size_t evaluator_bytes(const ModelConfig& config, Index vocab_size, Precision precision) {
  return with_precision(precision, [&]<class T>() {
    return memory_bytes(LanguageModel<T>(config, vocab_size)) + PositionTables<T>::bytes(config);
  });
}

}  // namespace kiln
