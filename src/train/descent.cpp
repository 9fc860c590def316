// Keeps copies of earlier weights: adding a step again that was subtracted would not give the same bits.
#include "kiln/train/descent.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/optim/clip.h"
#include "kiln/tensor/convert.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kiln {
namespace {

const ParameterLayout& layout_of(const ModelView& model) {
  return with_precision(model.precision,
                        [&]<class T>() -> const ParameterLayout& { return model.weights.as<T>().layout(); });
}

std::size_t bytes_of_weights(const ModelView& model) {
  return static_cast<std::size_t>(layout_of(model).extent()) * sizeof(float);
}

/// Returns the batch if a step on it fits into the memory.
Batch fitting(const ModelView& model, Batch batch, std::size_t most_bytes) {
  const std::size_t least = Descent::least_bytes(model, batch);
  check(least <= most_bytes,
        "a step of gradient descent on this model takes {}, and {} are allowed; shorten the text, or take a "
        "smaller model",
        format_bytes(static_cast<double>(least)), format_bytes(static_cast<double>(most_bytes)));
  return batch;
}

double norm_of(const ParameterBuffer<float>& buffer, const Parameter& p) {
  return std::sqrt(sum_of_squares(buffer.data() + p.offset, p.size()));
}

}  // namespace

ParameterBuffer<float> copy_of_weights(const ModelView& model) {
  ParameterBuffer<float> copy(layout_of(model));
  with_precision(model.precision, [&]<class T>() {
    const ParameterBuffer<T>& weights = model.weights.as<T>();
    std::transform(weights.data(), weights.data() + copy.layout().extent(), copy.data(), widen<T>);
  });
  return copy;
}

std::size_t Descent::least_bytes(const ModelView& model, const Batch& batch) {
  return 3 * bytes_of_weights(model) +
         BatchLoss::bytes(model.config, model.vocab_size, batch, BatchLoss::Needs::gradient);
}

Descent::Descent(const ModelView& model, Batch batch, std::size_t most_bytes)
    : model_(model),
      batch_loss_(model.config, model.vocab_size, fitting(model, std::move(batch), most_bytes),
                  BatchLoss::Needs::gradient),
      weights_(std::make_unique<ParameterBuffer<float>>(copy_of_weights(model))),
      gradient_(layout_of(model)) {
  const std::size_t spare = most_bytes - least_bytes(model, batch_loss_.batch());
  most_kept_ = std::min(kMostKept, 1 + spare / bytes_of_weights(model));
  look();
}

void Descent::look() {
  loss_ = batch_loss_.gradient(*weights_, gradient_);
  if (std::isfinite(loss_) && std::isfinite(global_norm(gradient_))) return;
  fail(ExitCode::diverged, "the loss or its gradient is not finite at these weights; take a smaller rate");
}

void Descent::step(double rate) {
  if (earlier_.size() >= most_kept_) earlier_.pop_front();
  auto next = std::make_unique<ParameterBuffer<float>>(weights_->layout());
  next->all() = weights_->all() - static_cast<float>(rate) * gradient_.all();
  std::swap(weights_, next);
  earlier_.push_back(std::move(next));
  ++steps_;
  try {
    look();
  } catch (const Error&) {
    undo();
    throw;
  }
}

bool Descent::undo() {
  if (earlier_.empty()) return false;
  weights_ = std::move(earlier_.back());
  earlier_.pop_back();
  --steps_;
  look();
  return true;
}

void Descent::reset() {
  earlier_.clear();
  *weights_ = copy_of_weights(model_);
  steps_ = 0;
  look();
}

std::vector<TensorNorms> Descent::norms() const {
  std::vector<TensorNorms> norms;
  for (const Parameter& p : weights_->layout().parameters()) {
    norms.push_back({.id = p.id, .gradient = norm_of(gradient_, p), .weights = norm_of(*weights_, p)});
  }
  return norms;
}

}  // namespace kiln
