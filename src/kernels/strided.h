// Describes matrices by two strides, so that a transpose is only a different view.
#pragma once

#include "kiln/tensor/view.h"

namespace kiln {

/// Element (i, j) lies at data[i * row_stride + j * col_stride]; one of the strides is 1.
template <class T>
struct Strided {
  const T* data;
  Index rows, cols, row_stride, col_stride;

  /// Returns `rows` rows from `row` and `cols` columns from `col`.
  Strided part(Index row, Index rows, Index col, Index cols) const {
    return {data + row * row_stride + col * col_stride, rows, cols, row_stride, col_stride};
  }
};

/// Returns the part of a bias for `cols` columns from `col`; empty for an empty bias.
template <class T>
ConstVec<T> part(const ConstVec<T>& bias, Index col, Index cols) {
  return bias.size() > 0 ? ConstVec<T>(bias.data() + col, cols) : no_const_vec<T>();
}

}  // namespace kiln
