// Computes attention one query at a time with a whole row of probabilities: slow, but short enough to check by eye.
#include "kernels/attention_naive.h"

#include "kiln/tensor/convert.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace kiln {
namespace {

/// One query of one head: the keys it attends to, and the layout.
struct Query {
  Index h;
  Index row, column;      // in q and y
  Index key, key_column;  // its first key, in k and v
  Index visible;          // keys that it attends to
  const Sequence& sequence;
  Index lse;              // index in lse
  std::uint64_t element;  // number of its first probability in its sequence; the next key's is sequence.length more

  /// Returns dropout's factor for the probability of key j.
  float factor(const Dropout& dropout, Index j) const {
    return dropout.factor(sequence.number, element + static_cast<std::uint64_t>(j * sequence.length));
  }
};

template <class Body>
void for_each_query(const AttentionShape& shape, Body&& body) {
  for (const Sequence& s : shape.sequences) {
    for (Index h = 0; h < shape.H; ++h) {
      for (Index t = 0; t < s.length; ++t) {
        body(Query{h, s.row + t, h * shape.D, shape.slot_size > 0 ? s.slot * shape.slot_size : s.row,
                   h / (shape.H / shape.K) * shape.D, s.past + t + 1, s, s.row * shape.H + h * s.length + t,
                   static_cast<std::uint64_t>(h * s.length * s.length + t)});
      }
    }
  }
}

template <class T>
using Row = Eigen::Matrix<T, Eigen::Dynamic, 1>;

/// Computes p_j = exp(s_j - lse), s_j = q k_j / sqrt(D) - slope (i - j). Returns lse = log sum_j exp(s_j).
template <class T>
Acc<T> probabilities(const AttentionShape& s, const Query& query, ConstMat<T> q, ConstMat<T> k, ConstVec<Acc<T>> slopes,
                     Row<Acc<T>>& p) {
  using A = Acc<T>;
  p.resize(query.visible);
  for (Index j = 0; j < query.visible; ++j) {
    A score = 0;
    for (Index d = 0; d < s.D; ++d) {
      score += widen(q(query.row, query.column + d)) * widen(k(query.key + j, query.key_column + d));
    }
    p[j] = score / std::sqrt(static_cast<A>(s.D));
    if (slopes.size() > 0) p[j] -= slopes[query.h] * static_cast<A>(query.visible - 1 - j);
  }
  const A maximum = p.maxCoeff();
  const A lse = maximum + std::log((p.array() - maximum).exp().sum());
  p = (p.array() - lse).exp();
  return lse;
}

}  // namespace

template <class T>
void attention_probabilities(const AttentionShape& shape, Index head, ConstMat<T> q, ConstMat<T> k,
                             ConstVec<Acc<T>> slopes, Mat<Acc<T>> p) {
  assert(shape.slot_size == 0 && head < shape.H);
  Row<Acc<T>> row;
  p.setZero();
  for_each_query(shape, [&](const Query& query) {
    if (query.h != head) return;
    probabilities<T>(shape, query, q, k, slopes, row);
    p.row(query.row).segment(query.key, query.visible) = row.transpose();
  });
}

template <class T>
void attention_forward_naive(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                             ConstVec<T> slopes, Dropout dropout, Mat<T> y, Vec<T> lse) {
  Row<T> p;
  y.setZero();
  for_each_query(shape, [&](const Query& query) {
    lse[query.lse] = probabilities<T>(shape, query, q, k, slopes, p);
    for (Index d = 0; d < shape.D; ++d) {
      T sum = 0;
      for (Index j = 0; j < query.visible; ++j) {
        const T factor = static_cast<T>(query.factor(dropout, j));
        sum += p[j] * factor * v(query.key + j, query.key_column + d);
      }
      y(query.row, query.column + d) = sum;
    }
  });
}

// y_i = sum_j m_ij p_ij v_j: dv_j += m_ij p_ij dy_i, dp_ij = m_ij dy_i v_j, ds_ij = p_ij (dp_ij - sum_l p_il dp_il),
// dq_i = sum_j ds_ij k_j / sqrt(D), dk_j += ds_ij q_i / sqrt(D).
template <class T>
void attention_backward_naive(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                              ConstVec<T> slopes, Dropout dropout, ConstMat<T> dy, Mat<T> dq, Mat<T> dk, Mat<T> dv) {
  Row<T> p, dp;
  const T scale = T(1) / std::sqrt(static_cast<T>(shape.D));
  dq.setZero();
  dk.setZero();
  dv.setZero();
  for_each_query(shape, [&](const Query& query) {
    const Index i = query.row, head = query.column, key_head = query.key_column;
    probabilities<T>(shape, query, q, k, slopes, p);
    dp.setZero(query.visible);
    for (Index j = 0; j < query.visible; ++j) {
      const T factor = static_cast<T>(query.factor(dropout, j));
      for (Index d = 0; d < shape.D; ++d) {
        dv(query.key + j, key_head + d) += factor * p[j] * dy(i, head + d);
        dp[j] += factor * dy(i, head + d) * v(query.key + j, key_head + d);
      }
    }
    const T mean = p.dot(dp);
    for (Index j = 0; j < query.visible; ++j) {
      const T ds = p[j] * (dp[j] - mean) * scale;
      for (Index d = 0; d < shape.D; ++d) {
        dq(i, head + d) += ds * k(query.key + j, key_head + d);
        dk(query.key + j, key_head + d) += ds * q(i, head + d);
      }
    }
  });
}

#define KILN_INSTANTIATE(T)                                                                                            \
  template void attention_forward_naive<T>(const AttentionShape&, ConstMat<T>, ConstMat<T>, ConstMat<T>, ConstVec<T>,  \
                                           Dropout, Mat<T>, Vec<T>);                                                   \
  template void attention_backward_naive<T>(const AttentionShape&, ConstMat<T>, ConstMat<T>, ConstMat<T>, ConstVec<T>, \
                                            Dropout, ConstMat<T>, Mat<T>, Mat<T>, Mat<T>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

#define KILN_INSTANTIATE(T)                                                                                          \
  template void attention_probabilities<T>(const AttentionShape&, Index, ConstMat<T>, ConstMat<T>, ConstVec<Acc<T>>, \
                                           Mat<Acc<T>>);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
