// The next-token head works through the rows in chunks, so that its memory does not grow with the batch.
#include "kiln/nn/heads.h"

#include "kiln/core/profile.h"
#include "kiln/kernels/cross_entropy.h"
#include "kiln/kernels/matmul.h"

#include <algorithm>

namespace kiln {
namespace {

constexpr Index kChunkElements = Index{1} << 24;  // of logits: 64 MB of float; each chunk reads and writes dW anew
constexpr Index kLeastRows = 64;

/// The rows of a chunk of at most `most`: as few chunks as fit, all of about the same size.
Index chunk_rows(Index rows, Index most) {
  const Index chunks = std::max<Index>(1, (rows + most - 1) / most);
  return (rows + chunks - 1) / chunks;
}

}  // namespace

template <class T>
NextTokenHead<T>::NextTokenHead(const ModelConfig& config, Index vocab_size, ParameterId token_embedding,
                                ParameterLayout& layout)
    : vocab_size_(vocab_size),
      unembedding_(config.tie_embeddings
                       ? token_embedding
                       : layout.matrix("lm_head.weight", Role::unembedding, vocab_size, config.d_model)) {}

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
void NextTokenHead<T>::logits(const ParameterBuffer<T>& weights, ConstMat<T> hidden, Mat<Acc<T>> logits) const {
  const Timed timed("matmul unembedding");
  matmul_nt<T, Acc<T>>(hidden, weights.mat(unembedding_), logits);
}

template <class T>
void NextTokenHead<T>::forward(const ParameterBuffer<T>& weights, ConstMat<T> hidden,
                               std::span<const std::int32_t> targets, HeadScratch<T>& scratch, Vec<Acc<T>> losses,
                               std::span<std::int32_t> best) const {
  const Index chunk = chunk_rows(hidden.rows(), scratch.logits.rows());
  for (Index begin = 0; begin < hidden.rows(); begin += chunk) {
    const Index count = std::min(chunk, hidden.rows() - begin);
    const auto first = static_cast<std::size_t>(begin), size = static_cast<std::size_t>(count);
    const Mat<Acc<T>> z = rows(scratch.logits, 0, count);
    logits(weights, rows(hidden, begin, count), z);
    cross_entropy_forward<Acc<T>>(as_const(z), targets.subspan(first, size), Vec<Acc<T>>(losses.data() + begin, count),
                                  best.empty() ? best : best.subspan(first, size));
  }
}

// losses = cross_entropy(hidden W^T, targets)
template <class T>
void NextTokenHead<T>::forward_backward(const ParameterBuffer<T>& weights, Mat<T> hidden,
                                        std::span<const std::int32_t> targets, ConstVec<Acc<T>> position_weights,
                                        HeadScratch<T>& scratch, Vec<Acc<T>> losses,
                                        Gradients<Acc<T>>& gradients) const {
  const Index chunk = chunk_rows(hidden.rows(), scratch.logits.rows());
  for (Index begin = 0; begin < hidden.rows(); begin += chunk) {
    const Index count = std::min(chunk, hidden.rows() - begin);
    const auto part = targets.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
    const Mat<T> h = rows(hidden, begin, count);
    const Mat<Acc<T>> z = rows(scratch.logits, 0, count);
    const Mat<T> dz = rows(scratch.d_logits, 0, count);
    const Vec<Acc<T>> loss(losses.data() + begin, count);
    logits(weights, as_const(h), z);
    {
      const Timed timed("loss");
      cross_entropy_forward<Acc<T>>(as_const(z), part, loss, {});
      cross_entropy_backward<T>(as_const(z), part, as_const(loss),
                                ConstVec<Acc<T>>(position_weights.data() + begin, count), dz);
    }
    const Timed timed("matmul unembedding");
    const auto [dw, write] = gradients.target(unembedding_);
    matmul_tn<T, Acc<T>>(as_const(dz), as_const(h), dw, write);
    matmul<T, T>(as_const(dz), weights.mat(unembedding_), h);
  }
}

template class NextTokenHead<float>;
template class NextTokenHead<bfloat16>;
template class NextTokenHead<double>;

}  // namespace kiln
