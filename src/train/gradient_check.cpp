// One backward, then two forwards for every sampled entry.
#include "kiln/train/gradient_check.h"

#include "kiln/core/progress_bar.h"
#include "kiln/core/rng.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

/// A model in double with one random batch, and the loss as a function of the weights.
class Subject {
 public:
  Subject(const ModelConfig& config, Index vocab_size, const GradientCheckOptions& options)
      : model_(config, vocab_size),
        weights_(model_.layout),
        gradients_(model_.layout),
        context_{.training = true, .seed = options.seed, .step = 0},
        B_(options.batch_size),
        T_(std::min(options.sequence_length, config.n_ctx)),
        arena_(arena_bytes()),
        activations_(model_.trunk.lay_out(arena_, B_, T_, Keep::all)),
        scratch_(model_.head.lay_out(arena_, B_ * T_)),
        losses_(arena_.vector<double>(B_ * T_)),
        position_weights_(arena_.vector<double>(B_ * T_)) {
    initialise(config, options.seed, weights_);
    disturb(options.seed);
    Rng rng(options.seed, "gradient check/tokens");
    const auto V = static_cast<std::uint64_t>(vocab_size);
    for (Index n = 0; n < B_ * T_; ++n) {
      tokens_.push_back(static_cast<std::int32_t>(rng.below(V)));
      targets_.push_back(static_cast<std::int32_t>(rng.below(V)));
    }
    position_weights_.setConstant(1.0 / static_cast<double>(B_ * T_));
  }

  double loss() {
    model_.trunk.forward(weights_, tokens_, context_, activations_);
    model_.head.forward(weights_, as_const(activations_.hidden), targets_, scratch_, losses_, {});
    return losses_.dot(position_weights_);
  }

  void compute_gradients() {
    model_.trunk.forward(weights_, tokens_, context_, activations_);
    model_.head.forward_backward(weights_, activations_.hidden, targets_, as_const(position_weights_), scratch_,
                                 losses_, gradients_);
    model_.trunk.backward(weights_, tokens_, context_, activations_, gradients_);
  }

  const ParameterLayout& layout() const { return model_.layout; }
  double& weight(ParameterId id, Index entry) { return weights_.vec(id)[entry]; }
  double gradient(ParameterId id, Index entry) { return gradients_.vec(id)[entry]; }

 private:
  std::size_t arena_bytes() const {
    return bytes_of([&](Arena& arena) {
      model_.trunk.lay_out(arena, B_, T_, Keep::all);
      model_.head.lay_out(arena, B_ * T_);
      arena.vector<double>(B_ * T_);  // losses
      arena.vector<double>(B_ * T_);  // weights of positions
    });
  }

  /// Moves every weight off its first guess: tiny weights, zero biases and gains of exactly 1 would hide errors.
  void disturb(std::uint64_t seed) {
    constexpr double kScale = 0.2;
    for (const Parameter& p : layout().parameters()) {
      Rng rng(seed, "gradient check/" + p.name);
      for (double& w : weights_.vec(p.id)) w += kScale * rng.normal();
    }
  }

  LanguageModel<double> model_;
  ParameterBuffer<double> weights_;
  Gradients<double> gradients_;
  StepContext context_;
  Index B_, T_;
  Arena arena_;
  GptActivations<double> activations_;
  HeadScratch<double> scratch_;
  Vec<double> losses_, position_weights_;
  std::vector<std::int32_t> tokens_, targets_;
};

std::vector<Index> sample_entries(const Parameter& p, const GradientCheckOptions& options) {
  std::vector<Index> entries;
  if (p.size() <= options.entries_per_tensor) {
    for (Index i = 0; i < p.size(); ++i) entries.push_back(i);
    return entries;
  }
  Rng rng(options.seed, "gradient check/entries of " + p.name);
  while (static_cast<Index>(entries.size()) < options.entries_per_tensor) {
    const auto entry = static_cast<Index>(rng.below(static_cast<std::uint64_t>(p.size())));
    if (std::find(entries.begin(), entries.end(), entry) == entries.end()) entries.push_back(entry);
  }
  return entries;
}

TensorGradientCheck check_tensor(Subject& subject, ParameterId id, const GradientCheckOptions& options) {
  const Parameter& p = subject.layout()[id];
  TensorGradientCheck check{.name = p.name};
  for (const Index entry : sample_entries(p, options)) {
    double& weight = subject.weight(id, entry);
    const double original = weight;
    weight = original + options.step;
    const double above = subject.loss();
    weight = original - options.step;
    const double below = subject.loss();
    weight = original;
    const double numeric = (above - below) / (2 * options.step), analytic = subject.gradient(id, entry);
    ProgressBar::advance(1);
    check.add(analytic, numeric, options);
  }
  return check;
}

}  // namespace

void TensorGradientCheck::add(double entry_analytic, double entry_numeric, const GradientCheckOptions& options) {
  const double size = std::max({std::abs(entry_numeric), std::abs(entry_analytic), options.floor});
  const double entry_error = std::abs(entry_analytic - entry_numeric) / size;
  if (entries++ > 0 && (std::isnan(error) || entry_error <= error)) return;
  error = entry_error;
  analytic = entry_analytic;
  numeric = entry_numeric;
  passed = error <= options.tolerance;
}

std::vector<TensorGradientCheck> check_gradients(const ModelConfig& config, Index vocab_size,
                                                 const GradientCheckOptions& options) {
  Subject subject(config, vocab_size, options);
  subject.compute_gradients();
  Index entries = 0;
  for (const Parameter& p : subject.layout().parameters()) entries += std::min(p.size(), options.entries_per_tensor);
  const ProgressBar bar("checking", static_cast<double>(entries), "entries");
  std::vector<TensorGradientCheck> checks;
  for (const Parameter& p : subject.layout().parameters()) checks.push_back(check_tensor(subject, p.id, options));
  return checks;
}

}  // namespace kiln
