// Rows of a table, picked by token and by position.
#pragma once

#include "kiln/tensor/view.h"

#include <cstdint>
#include <span>

namespace kiln {

/// x[n] = tokens_table[tokens[n]] + positions_table[first_position + n % T].   tokens (N), each in [0, V);
/// tokens_table (V, C); positions_table (positions, C), or no rows: nothing is added; x (N, C).
template <class T>
void embedding_forward(std::span<const std::int32_t> tokens, Index sequence_length, Index first_position,
                       ConstMat<T> tokens_table, ConstMat<T> positions_table, Mat<T> x);

/// dtokens_table[tokens[n]] += dx[n], dpositions_table[n % T] += dx[n] (where it has rows).   dx (N, C).
template <class T>
void embedding_backward(std::span<const std::int32_t> tokens, Index sequence_length, ConstMat<T> dx,
                        Mat<Acc<T>> dtokens_table, Mat<Acc<T>> dpositions_table);

}  // namespace kiln
