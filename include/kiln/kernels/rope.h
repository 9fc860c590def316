// Computes rotary position embeddings in the half-split form (arXiv:2104.09864).
#pragma once

#include "kiln/tensor/view.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kiln {

/// Returns cos and sin of position * theta^(-2i/D) for i < D/2: row p holds [cos | sin], (positions, D).
template <class T>
std::vector<Acc<T>> rope_table(Index positions, Index head_size, double theta);

/// Rotates each head of x in place: (a, b) -> (a cos - b sin, b cos + a sin) for a = x[i], b = x[i + D/2].
/// x (N, heads*D); positions (N), each a row of `table`; table from rope_table.
template <class T>
void rope_forward(Mat<T> x, Index head_size, std::span<const std::int32_t> positions, ConstMat<Acc<T>> table);

/// Replaces the gradient of the rotated heads by that of the unrotated ones: rotates back, in place.
template <class T>
void rope_backward(Mat<T> dx, Index head_size, std::span<const std::int32_t> positions, ConstMat<Acc<T>> table);

}  // namespace kiln
