// Looks up the embeddings of tokens and positions.
#pragma once

#include "kiln/tensor/view.h"

#include <cstdint>
#include <limits>
#include <span>

namespace kiln {

/// Computes x[n] = tokens_table[tokens[n]] + positions_table[positions[n]].   tokens (N), each in [0, V); positions
/// (N); positions_table (P, C), or without rows: not added; x (N, C). tokens_table holds the rows of the first tokens
/// and added_table those of the further ones, (V, C) in all.
template <class T>
void embedding_forward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions,
                       ConstMat<T> tokens_table, ConstMat<T> positions_table, Mat<T> x,
                       ConstMat<T> added_table = no_const_mat<T>());

/// Adds dx[n] to dpositions_table[positions[n]] and to dtokens_table[tokens[n]], or, for tokens from `first_added` on,
/// to dadded_table[tokens[n] - first_added]. Skips a table without rows.   dx (N, C).
template <class T>
void embedding_backward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions, ConstMat<T> dx,
                        Mat<Acc<T>> dtokens_table, Mat<Acc<T>> dpositions_table,
                        Index first_added = std::numeric_limits<Index>::max(),
                        Mat<Acc<T>> dadded_table = no_mat<Acc<T>>());

}  // namespace kiln
