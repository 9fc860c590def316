// Implements the objectives, and runs batches for them: scores and gradient.
#include "kiln/train/objective.h"

#include <cstddef>

namespace kiln {

double NextToken::loss(const Batch& batch, std::span<const double> outputs) const {
  double sum = 0;
  for (std::size_t m = 0; m < outputs.size(); ++m) sum -= static_cast<double>(batch.weights[m]) * outputs[m];
  return sum;
}

// loss = -sum_m weights[m] outputs[m]
void NextToken::gradient(const Batch& batch, std::span<const double>, std::span<double> d_outputs) const {
  for (std::size_t m = 0; m < d_outputs.size(); ++m) d_outputs[m] = -static_cast<double>(batch.weights[m]);
}

template <class A>
double BatchRunner<A>::loss(Weights weights, const Batch& batch, const StepContext& step) {
  runner_.forward(weights, batch.rows, step);
  score(batch);
  return objective_.loss(batch, outputs_);
}

template <class A>
double BatchRunner<A>::backward(Weights weights, const Batch& batch, const StepContext& step, Gradients<A>& gradients) {
  runner_.forward(weights, batch.rows, step);
  if (objective_.reads_outputs()) score(batch);
  const std::size_t M = batch.targets.size();
  losses_.resize(M);
  d_losses_.resize(M);
  d_outputs_.resize(M);
  objective_.gradient(batch, objective_.reads_outputs() ? outputs_ : std::span<const double>(), d_outputs_);
  for (std::size_t m = 0; m < M; ++m) d_losses_[m] = static_cast<A>(-d_outputs_[m]);
  runner_.backward(batch.scored_targets(), ConstVec<A>(d_losses_.data(), std::ssize(d_losses_)),
                   Vec<A>(losses_.data(), std::ssize(losses_)), gradients);
  if (!objective_.reads_outputs()) read_outputs();
  return objective_.loss(batch, outputs_);
}

template <class A>
void BatchRunner<A>::score(const Batch& batch) {
  losses_.resize(batch.targets.size());
  runner_.score(batch.scored_targets(), Vec<A>(losses_.data(), std::ssize(losses_)));
  read_outputs();
}

template <class A>
void BatchRunner<A>::read_outputs() {
  outputs_.resize(losses_.size());
  for (std::size_t m = 0; m < losses_.size(); ++m) outputs_[m] = -static_cast<double>(losses_[m]);
}

template class BatchRunner<float>;
template class BatchRunner<double>;

}  // namespace kiln
