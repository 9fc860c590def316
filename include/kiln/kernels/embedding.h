// Looks up the embeddings of tokens and positions.
#pragma once

#include "kiln/tensor/view.h"

#include <cstdint>
#include <span>

namespace kiln {

/// Computes x[n] = tokens_table[tokens[n]] + positions_table[positions[n]].   tokens (N), each in [0, V); positions
/// (N); tokens_table (V, C); positions_table (P, C), or without rows: not added; x (N, C).
template <class T>
void embedding_forward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions,
                       ConstMat<T> tokens_table, ConstMat<T> positions_table, Mat<T> x);

/// Adds dx[n] to dtokens_table[tokens[n]] and dpositions_table[positions[n]]; skips a table without rows.   dx (N, C).
template <class T>
void embedding_backward(std::span<const std::int32_t> tokens, std::span<const std::int32_t> positions, ConstMat<T> dx,
                        Mat<Acc<T>> dtokens_table, Mat<Acc<T>> dpositions_table);

}  // namespace kiln
