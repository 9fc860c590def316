// Divides what the objective sums over a batch by the weight of the batch.
#include "kiln/train/batch_loss.h"

#include <cassert>
#include <utility>

namespace kiln {
namespace {

RunnerOptions loss_runner(const Batch& batch, BatchLoss::Needs needs) {
  RunnerOptions options{.rows = batch.rows.size(), .scored = std::ssize(batch.scored)};
  if (needs == BatchLoss::Needs::gradient) options.backward = Recompute::none;
  return options;
}

}  // namespace

Batch batch_of_text(std::span<const TokenId> tokens, Index first) {
  assert(first >= 1 && first < std::ssize(tokens));
  Batch batch;
  batch.rows.append(tokens.first(tokens.size() - 1));
  for (Index t = first; t < std::ssize(tokens); ++t) {
    batch.scored.push_back(t - 1);
    batch.targets.push_back(tokens[static_cast<std::size_t>(t)]);
    batch.weights.push_back(1);
  }
  return batch;
}

BatchLoss::BatchLoss(const ModelConfig& config, Index vocab_size, Batch batch, Needs needs)
    : batch_(std::move(batch)),
      runner_(make_runner(config, vocab_size, Precision::fp32, loss_runner(batch_, needs))),
      batch_runner_(*runner_, objective_),
      weight_(objective_.weight(batch_)) {}

double BatchLoss::loss(ParameterBuffer<float>& weights) { return batch_runner_.loss(weights, batch_, {}) / weight_; }

double BatchLoss::gradient(ParameterBuffer<float>& weights, Gradients<float>& gradient) {
  gradient.clear();
  const double sum = batch_runner_.backward(weights, batch_, {}, gradient);
  gradient.finish();
  gradient.all() /= static_cast<float>(weight_);
  return sum / weight_;
}

std::size_t BatchLoss::bytes(const ModelConfig& config, Index vocab_size, const Batch& batch, Needs needs) {
  return runner_bytes(config, vocab_size, Precision::fp32, loss_runner(batch, needs));
}

}  // namespace kiln
