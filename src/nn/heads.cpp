// Works through logits in chunks of rows, so that memory does not grow with the batch.
#include "kiln/nn/heads.h"

#include "kiln/core/profile.h"
#include "kiln/core/threads.h"
#include "kiln/kernels/cross_entropy.h"
#include "kiln/kernels/matmul.h"
#include "kiln/tensor/convert.h"

#include <algorithm>

namespace kiln {
namespace {

constexpr Index kChunkElements = Index{1} << 24;  // of logits: 64 MB of float; each chunk reads and writes dW again
constexpr Index kLeastRows = 64;
constexpr Index kScoreGrain = 16;  // rows of a score, or columns of its gradient, for one thread at a time

/// Returns the rows of a chunk of at most `most`: as few chunks as fit, all of about the same size.
Index chunk_rows(Index rows, Index most) {
  if (rows == 0) return 0;
  const Index chunks = (rows + most - 1) / most;
  return (rows + chunks - 1) / chunks;
}

bool follow_each_other(std::span<const Index> chosen) {
  return !chosen.empty() && chosen.back() - chosen.front() + 1 == std::ssize(chosen);
}

/// Returns the chosen rows of m: a view where they follow each other, else copies in the first rows of `memory`.
template <class T>
ConstMat<T> chosen_rows(ConstMat<T> m, std::span<const Index> chosen, Mat<T> memory) {
  if (follow_each_other(chosen)) return rows(m, chosen.front(), std::ssize(chosen));
  for (Index i = 0; i < std::ssize(chosen); ++i) {
    memory.row(i) = m.row(chosen[static_cast<std::size_t>(i)]);
  }
  return as_const(rows(memory, 0, std::ssize(chosen)));
}

/// Moves the first rows of m to the chosen places, unless they lie there, and zeroes all other rows.
template <class T>
void spread_rows(std::span<const Index> chosen, Mat<T> m) {
  Index end = m.rows();  // rows from here on are done
  const bool is_in_place = follow_each_other(chosen);
  for (Index i = std::ssize(chosen); i-- > 0;) {
    const Index place = chosen[static_cast<std::size_t>(i)];  // at least i: the rows ascend
    if (!is_in_place && place != i) m.row(place) = m.row(i);
    rows(m, place + 1, end - place - 1).setZero();
    end = place;
  }
  rows(m, 0, end).setZero();
}

/// Divides a matrix by the temperature.
template <class T>
void divide(Mat<T> m, double temperature) {
  if (temperature == 1) return;
  const auto factor = static_cast<Acc<T>>(1 / temperature);
  parallel_for(m.rows(), kScoreGrain, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      T* values = row(m, r);
      for (Index v = 0; v < m.cols(); ++v) values[v] = narrow<T>(widen(values[v]) * factor);
    }
  });
}

}  // namespace

template <class T>
NextTokenHead<T>::NextTokenHead(const ModelConfig& config, Index vocab_size, TokenMatrix token_embedding,
                                ParameterLayout& layout)
    : vocab_size_(vocab_size),
      unembedding_(config.tie_embeddings ? token_embedding : TokenMatrix(config, layout, Module::lm_head, vocab_size)) {
}

template <class T>
HeadScratch<T> NextTokenHead<T>::lay_out(Arena& arena, Index rows) const {
  const Index chunk = chunk_rows(rows, std::max(kLeastRows, kChunkElements / vocab_size_));
  const Mat<Acc<T>> logits = arena.matrix<Acc<T>>(chunk, vocab_size_);
  if constexpr (std::is_same_v<T, Acc<T>>) {
    return {logits, logits};
  } else {
    return {logits, arena.matrix<T>(chunk, vocab_size_)};
  }
}

template <class T>
void NextTokenHead<T>::unembed(const ParameterBuffer<T>& weights, ConstMat<T> hidden, Mat<Acc<T>> logits) const {
  const Timed timed("matmul unembedding");
  Index begin = 0;
  for (const ParameterId id : unembedding_.parts()) {
    const ConstMat<T> w = weights.mat(id);
    matmul_nt<T, Acc<T>>(hidden, w, columns(logits, begin, w.rows()));
    begin += w.rows();
  }
}

template <class T>
void NextTokenHead<T>::logits(const ParameterBuffer<T>& weights, GptActivations<T>& a, std::span<const Index> rows,
                              Mat<Acc<T>> logits) const {
  unembed(weights, chosen_rows(as_const(a.hidden), rows, a.d_hidden), logits);
}

template <class T>
void NextTokenHead<T>::forward(const ParameterBuffer<T>& weights, GptActivations<T>& a, const Scored& scored,
                               HeadScratch<T>& scratch, Vec<Acc<T>> losses, std::span<std::int32_t> best) const {
  const ConstMat<T> hidden = chosen_rows(as_const(a.hidden), scored.rows, a.d_hidden);
  const Index chunk = chunk_rows(hidden.rows(), scratch.logits.rows());
  for (Index begin = 0; begin < hidden.rows(); begin += chunk) {
    const Index count = std::min(chunk, hidden.rows() - begin);
    const auto first = static_cast<std::size_t>(begin), size = static_cast<std::size_t>(count);
    const Mat<Acc<T>> z = rows(scratch.logits, 0, count);
    unembed(weights, rows(hidden, begin, count), z);
    divide(z, scored.temperature);
    cross_entropy_forward<Acc<T>>(as_const(z), scored.targets.subspan(first, size),
                                  Vec<Acc<T>>(losses.data() + begin, count),
                                  best.empty() ? best : best.subspan(first, size));
  }
}

// losses = cross_entropy(hidden W^T / temperature, targets)
template <class T>
void NextTokenHead<T>::forward_backward(const ParameterBuffer<T>& weights, GptActivations<T>& a, const Scored& scored,
                                        ConstVec<Acc<T>> d_losses, HeadScratch<T>& scratch, Vec<Acc<T>> losses,
                                        Gradients<Acc<T>>& gradients) const {
  const ConstMat<T> hidden = chosen_rows(as_const(a.hidden), scored.rows, a.d_hidden);
  const Index first_row = follow_each_other(scored.rows) ? scored.rows.front() : 0;
  const Index chunk = chunk_rows(hidden.rows(), scratch.logits.rows());
  for (Index begin = 0; begin < hidden.rows(); begin += chunk) {
    const Index count = std::min(chunk, hidden.rows() - begin);
    const auto targets = scored.targets.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
    const ConstMat<T> h = rows(hidden, begin, count);
    const Mat<Acc<T>> z = rows(scratch.logits, 0, count);
    const Mat<T> dz = rows(scratch.d_logits, 0, count);
    const Vec<Acc<T>> loss(losses.data() + begin, count);
    unembed(weights, h, z);
    divide(z, scored.temperature);
    {
      const Timed timed("loss");
      cross_entropy_forward<Acc<T>>(as_const(z), targets, loss, {});
      cross_entropy_backward<T>(as_const(z), targets, as_const(loss), ConstVec<Acc<T>>(d_losses.data() + begin, count),
                                dz);
      divide(dz, scored.temperature);
    }
    const Timed timed("matmul unembedding");
    add_weight_gradients(weights, as_const(dz), h, gradients);  // first: the next line may overwrite h
    write_hidden_gradient(weights, as_const(dz), rows(a.d_hidden, first_row + begin, count));
  }
  spread_rows(scored.rows, a.d_hidden);
}

// logits = hidden W^T
template <class T>
void NextTokenHead<T>::add_weight_gradients(const ParameterBuffer<T>& weights, ConstMat<T> d_logits, ConstMat<T> hidden,
                                            Gradients<Acc<T>>& gradients) const {
  Index begin = 0;
  for (const ParameterId id : unembedding_.parts()) {
    const Index count = weights.mat(id).rows();
    const auto [dw, write] = gradients.target(id);
    if (dw.rows() > 0) matmul_tn<T, Acc<T>>(columns(d_logits, begin, count), hidden, dw, write);
    begin += count;
  }
}

template <class T>
void NextTokenHead<T>::write_hidden_gradient(const ParameterBuffer<T>& weights, ConstMat<T> d_logits,
                                             Mat<T> d_hidden) const {
  Index begin = 0;
  for (const ParameterId id : unembedding_.parts()) {
    const ConstMat<T> w = weights.mat(id);
    matmul<T, T>(columns(d_logits, begin, w.rows()), w, d_hidden, begin == 0 ? Write::overwrite : Write::accumulate);
    begin += w.rows();
  }
}

template <class T>
void ScoreHead<T>::forward(const ParameterBuffer<T>& weights, const GptActivations<T>& a, std::span<const Index> chosen,
                           Vec<Acc<T>> scores) const {
  const Timed timed("score");
  const ConstVec<T> w = weights.vec(weight_);
  parallel_for(std::ssize(chosen), kScoreGrain, [&](Index begin, Index end) {
    for (Index m = begin; m < end; ++m) {
      const T* h = row(a.hidden, chosen[static_cast<std::size_t>(m)]);
      Acc<T> sum = 0;
      for (Index c = 0; c < w.size(); ++c) sum += widen(h[c]) * widen(w[c]);
      scores[m] = sum;
    }
  });
}

// scores[m] = hidden[chosen[m]] . w
template <class T>
void ScoreHead<T>::backward(const ParameterBuffer<T>& weights, GptActivations<T>& a, std::span<const Index> chosen,
                            ConstVec<Acc<T>> d_scores, Write hidden, Gradients<Acc<T>>& gradients) const {
  const Timed timed("score");
  const ConstVec<T> w = weights.vec(weight_);
  if (hidden == Write::overwrite) a.d_hidden.setZero();
  parallel_for(std::ssize(chosen), kScoreGrain, [&](Index begin, Index end) {
    for (Index m = begin; m < end; ++m) {
      T* dh = row(a.d_hidden, chosen[static_cast<std::size_t>(m)]);
      for (Index c = 0; c < w.size(); ++c) dh[c] = narrow<T>(widen(dh[c]) + d_scores[m] * widen(w[c]));
    }
  });
  Vec<Acc<T>> dw = gradients.vec(weight_);
  parallel_for(dw.size(), kScoreGrain, [&](Index begin, Index end) {
    for (Index m = 0; m < std::ssize(chosen); ++m) {
      const T* h = row(a.hidden, chosen[static_cast<std::size_t>(m)]);
      for (Index c = begin; c < end; ++c) dw[c] += d_scores[m] * widen(h[c]);
    }
  });
}

#define KILN_INSTANTIATE(T)        \
  template class NextTokenHead<T>; \
  template class ScoreHead<T>;
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
