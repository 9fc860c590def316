// Causal self-attention, fused: no (T, T) matrix is kept beyond a tile.
#pragma once

#include "kiln/kernels/dropout.h"
#include "kiln/tensor/view.h"

#include <cstddef>
#include <vector>

namespace kiln {

/// How queries, keys and values lie. Sequence b has its queries in rows [b*T, (b+1)*T) and its keys and values in rows
/// [b*key_stride, b*key_stride + S); the last query sees all S keys, query t the first S - T + t + 1.
/// Training has S = T = key_stride; cached generation has S = past + T and key_stride = the cache's capacity.
struct AttentionShape {
  Index B;           // sequences
  Index T;           // queries a sequence
  Index S;           // keys a sequence, S >= T
  Index key_stride;  // rows from one sequence's keys to the next one's
  Index H;           // query heads; head h takes columns [h*D, (h+1)*D) of q
  Index K;           // key/value heads; query head h reads key head h / (H/K)
  Index D;           // head size
};

/// ALiBi's slopes, one a head: 2^(-8(h+1)/H), with the paper's interleaving where H is no power of two
/// (arXiv:2108.12409).
std::vector<double> alibi_slopes(Index heads);

/// y = dropout(softmax(q k^T / sqrt(D) - slope (i - j))) v over the keys j that query i sees, head by head
/// (arXiv:1706.03762; tiles with a running maximum and sum, arXiv:2205.14135).
/// q (B*T, H*D), k and v (B*key_stride, K*D), slopes (H) or empty, y (B*T, H*D),
/// log_sum (B*H, T): log of the softmax's denominator, for the backward; empty where none follows.
/// Dropout needs S = T.
template <class T>
void attention_forward(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                       ConstVec<Acc<T>> slopes, Dropout dropout, Mat<T> y, Mat<Acc<T>> log_sum);

/// The gradients of q, k and v, written; the probabilities are made again from log_sum, tile by tile. S = T here.
/// y and log_sum are the forward's; dy (B*T, H*D); dq like q, dk and dv like k.
template <class T>
void attention_backward(const AttentionShape& shape, ConstMat<T> q, ConstMat<T> k, ConstMat<T> v,
                        ConstVec<Acc<T>> slopes, Dropout dropout, ConstMat<T> y, ConstMat<Acc<T>> log_sum,
                        ConstMat<T> dy, Mat<T> dq, Mat<T> dk, Mat<T> dv);

/// Bytes that each thread keeps for a backward of this shape, from the first on.
template <class T>
std::size_t attention_scratch_bytes(const AttentionShape& shape);

}  // namespace kiln
