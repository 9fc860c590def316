// Computes fused causal self-attention: of the (T, T) matrices only a tile exists at a time.
#pragma once

#include "kiln/kernels/dropout.h"
#include "kiln/kernels/sequence.h"
#include "kiln/tensor/view.h"

#include <cstddef>
#include <span>
#include <vector>

namespace kiln {

/// Describes where a batch's queries, keys and values lie. Each sequence has its queries in its own rows of q.
/// - Without a cache (slot_size 0), its keys and values are the same rows of k and v. Its past is 0.
/// - With a cache, its keys and values are past + length rows from the beginning of its slot on, which is row
///   slot * slot_size of k and v.
/// Query t of a sequence attends to the first past + t + 1 keys.
struct AttentionShape {
  std::span<const Sequence> sequences;
  Index H;  // query heads; head h takes columns [h*D, (h+1)*D) of q
  Index K;  // key/value heads; query head h reads key head h / (H/K)
  Index D;  // head size
  Index slot_size = 0;
};

/// Returns ALiBi's slope of each head: 2^(-8(h+1)/H), with the paper's interleaving if H is not a power of two
/// (arXiv:2108.12409).
std::vector<double> alibi_slopes(Index heads);

/// Computes y = dropout(softmax(q k^T / sqrt(D) - slope (i - j))) v over the keys j that query i attends to, for each
/// head (arXiv:1706.03762; tiles with a running maximum and sum, arXiv:2205.14135). Zeroes rows of no sequence.
/// q, y (N, H*D); k and v (N, K*D), or the cache's rows; slopes (H) or empty;
/// lse (H*N): log-sum-exp of the scores for the backward, head by head from row*H on in each sequence; or empty.
/// Dropout requires pasts of 0.
template <class T>
void attention_forward(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                       ConstVec<Acc<T>> slopes, Dropout dropout, Mat<T> y, Vec<Acc<T>> lse);

/// Writes p = softmax(q k^T / sqrt(D) - slope (i - j)) of one head, of which the other functions hold only tiles: p(i,
/// j) of the query in row i and the key in row j, 0 where i does not attend to j. Computes query by query, to be looked
/// at. p (N, N). Needs keys without a cache.
template <class T>
void attention_probabilities(const AttentionShape& shape, Index head, ConstMat<T> q, ConstMat<T> k,
                             ConstVec<Acc<T>> slopes, Mat<Acc<T>> p);

/// Writes the gradients of q, k and v; recomputes the probabilities from lse, tile by tile. Pasts must be 0.
/// y and lse are the forward's; dy (N, H*D); dq like q, dk and dv like k; zero in rows of no sequence.
template <class T>
void attention_backward(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                        ConstVec<Acc<T>> slopes, Dropout dropout, ConstMat<T> y, ConstVec<Acc<T>> lse, ConstMat<T> dy,
                        Mat<T> dq, Mat<T> dk, Mat<T> dv);

/// Returns the bytes of scratch that each thread keeps from its first backward on, for sequences of up to `length`
/// tokens.
template <class T>
std::size_t attention_scratch_bytes(Index length, Index head_size);

}  // namespace kiln
