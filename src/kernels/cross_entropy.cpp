// Computes log-sum-exp by row, shifted by the largest logit to prevent overflow.
#include "kiln/kernels/cross_entropy.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>

namespace kiln {
namespace {

constexpr Index kRowGrain = 4;

constexpr Index kBlock = 256;  // elements of a row that exp and rounding process at a time

template <class A>
using ConstRow = Eigen::Map<const Eigen::Array<A, 1, Eigen::Dynamic>>;

/// Computes out[v] = scale exp(z[v] - lse). `out` may alias z.
template <class T>
void write_probabilities(const ConstRow<Acc<T>>& z, Acc<T> lse, Acc<T> scale, T* out) {
  Eigen::Array<Acc<T>, 1, Eigen::Dynamic, Eigen::RowMajor, 1, kBlock> block;
  for (Index begin = 0; begin < z.size(); begin += kBlock) {
    const Index count = std::min(kBlock, z.size() - begin);
    block = (z.segment(begin, count) - lse).exp() * scale;
    const Acc<T>* values = block.data();
    for (Index i = 0; i < count; ++i) out[begin + i] = narrow<T>(values[i]);
  }
}

}  // namespace

template <class A>
void cross_entropy_forward(ConstMat<A> logits, std::span<const std::int32_t> targets, Vec<A> losses,
                           std::span<std::int32_t> best) {
  parallel_for(logits.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      const ConstRow<A> z(row(logits, n), logits.cols());
      const auto at = static_cast<std::size_t>(n);
      Index largest = 0;
      const A top = best.empty() ? z.maxCoeff() : z.maxCoeff(&largest);  // vectorised only without the index
      losses[n] = std::log((z - top).exp().sum()) - (z[targets[at]] - top);
      if (!best.empty()) best[at] = static_cast<std::int32_t>(largest);
    }
  });
}

// losses[n] = log sum_v exp(logits[n,v]) - logits[n, targets[n]]
template <class T>
void cross_entropy_backward(ConstMat<Acc<T>> logits, std::span<const std::int32_t> targets, ConstVec<Acc<T>> losses,
                            ConstVec<Acc<T>> weights, Mat<T> dlogits) {
  using A = Acc<T>;
  parallel_for(logits.rows(), kRowGrain, [&](Index begin, Index end) {
    for (Index n = begin; n < end; ++n) {
      const ConstRow<A> z(row(logits, n), logits.cols());
      const Index target = targets[static_cast<std::size_t>(n)];
      const A lse = losses[n] + z[target];
      const A at_target = weights[n] * std::expm1(-losses[n]);  // p - 1, exact where p is near 1
      write_probabilities<T>(z, lse, weights[n], row(dlogits, n));
      row(dlogits, n)[target] = static_cast<T>(at_target);
    }
  });
}

template void cross_entropy_forward<float>(ConstMat<float>, std::span<const std::int32_t>, Vec<float>,
                                           std::span<std::int32_t>);
template void cross_entropy_forward<double>(ConstMat<double>, std::span<const std::int32_t>, Vec<double>,
                                            std::span<std::int32_t>);
#define KILN_INSTANTIATE(T)                                                                                  \
  template void cross_entropy_backward<T>(ConstMat<Acc<T>>, std::span<const std::int32_t>, ConstVec<Acc<T>>, \
                                          ConstVec<Acc<T>>, Mat<T>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
