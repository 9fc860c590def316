// Matrices by their two strides, so that a transpose is a way to read.
#pragma once

#include "kiln/tensor/view.h"

namespace kiln {

/// Element (i, j) lies at data[i * row_stride + j * col_stride]; one of the strides is 1.
template <class T>
struct Strided {
  const T* data;
  Index rows, cols, row_stride, col_stride;

  /// `rows` rows from `row`, of them `cols` columns from `col`.
  Strided part(Index row, Index rows, Index col, Index cols) const {
    return {data + row * row_stride + col * col_stride, rows, cols, row_stride, col_stride};
  }
};

/// The distance of rows; of a single row it means nothing, and oneDNN wants it to be sound all the same.
template <class M>
Index row_stride(const M& m) {
  return m.rows() == 1 ? m.cols() : m.outerStride();
}

/// The part of a bias, or of none, that belongs to `cols` columns from `col`.
template <class T>
ConstVec<T> part(const ConstVec<T>& bias, Index col, Index cols) {
  return bias.size() > 0 ? ConstVec<T>(bias.data() + col, cols) : no_const_vec<T>();
}

}  // namespace kiln
