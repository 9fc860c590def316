// Computes the cross-entropy of predictions and its gradient.
#pragma once

#include "kiln/tensor/view.h"

#include <cstdint>
#include <span>

namespace kiln {

/// Computes losses[n] = log sum_v exp(logits[n,v]) - logits[n, targets[n]], in nats.
/// logits (N, V); targets (N), each in [0, V); losses (N). best (N) or empty: the token with the largest logit.
template <class A>
void cross_entropy_forward(ConstMat<A> logits, std::span<const std::int32_t> targets, Vec<A> losses,
                           std::span<std::int32_t> best);

/// Computes the gradient of sum_n weights[n] losses[n]: dlogits[n,v] = weights[n] (softmax(logits[n])[v] -
/// [v = targets[n]]).   losses are the forward's; weights (N); dlogits (N, V), may be logits.
template <class T>
void cross_entropy_backward(ConstMat<Acc<T>> logits, std::span<const std::int32_t> targets, ConstVec<Acc<T>> losses,
                            ConstVec<Acc<T>> weights, Mat<T> dlogits);

}  // namespace kiln
