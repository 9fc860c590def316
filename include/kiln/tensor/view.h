// Defines row-major, non-owning views of memory, passed by value.
#pragma once

#include <Eigen/Core>

#include <cstdint>
#include <type_traits>

namespace kiln {

using Index = std::int64_t;
using bfloat16 = Eigen::bfloat16;

/// The accumulation type of T, for gradients, norms, softmax, losses and sums: double for double, otherwise float.
template <class T>
using Acc = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A matrix (rows, cols) whose rows lie `outerStride()` elements apart, each row contiguous.
template <class T>
using Mat = Eigen::Map<RowMajor<T>, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T>
using ConstMat = Eigen::Map<const RowMajor<T>, Eigen::Unaligned, Eigen::OuterStride<>>;

/// A contiguous vector.
template <class T>
using Vec = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>>;
template <class T>
using ConstVec = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>;

/// Whether a result overwrites its output or is added to it.
enum class Write { overwrite, accumulate };

/// Returns a matrix view of contiguous rows.
template <class T>
Mat<T> mat(T* data, Index rows, Index cols) {
  return {data, rows, cols, Eigen::OuterStride<>(cols)};
}
template <class T>
ConstMat<T> mat(const T* data, Index rows, Index cols) {
  return {data, rows, cols, Eigen::OuterStride<>(cols)};
}

/// Returns a read-only view (template arguments are not deduced through a conversion).
template <class T>
ConstMat<T> as_const(Mat<T> m) {
  return {m.data(), m.rows(), m.cols(), Eigen::OuterStride<>(m.outerStride())};
}
template <class T>
ConstVec<T> as_const(Vec<T> v) {
  return {v.data(), v.size()};
}

/// Returns `count` columns from `begin`, as a view with the same row stride.
template <class T>
Mat<T> columns(Mat<T> m, Index begin, Index count) {
  return {m.data() + begin, m.rows(), count, Eigen::OuterStride<>(m.outerStride())};
}
template <class T>
ConstMat<T> columns(ConstMat<T> m, Index begin, Index count) {
  return {m.data() + begin, m.rows(), count, Eigen::OuterStride<>(m.outerStride())};
}

/// Returns `count` rows from `begin`.
template <class T>
Mat<T> rows(Mat<T> m, Index begin, Index count) {
  return {m.data() + begin * m.outerStride(), count, m.cols(), Eigen::OuterStride<>(m.outerStride())};
}
template <class T>
ConstMat<T> rows(ConstMat<T> m, Index begin, Index count) {
  return {m.data() + begin * m.outerStride(), count, m.cols(), Eigen::OuterStride<>(m.outerStride())};
}

/// Returns a pointer to row i.
template <class T>
T* row(Mat<T> m, Index i) {
  return m.data() + i * m.outerStride();
}
template <class T>
const T* row(ConstMat<T> m, Index i) {
  return m.data() + i * m.outerStride();
}

/// Return an empty view, for an optional tensor that the model lacks (a bias, a gain).
template <class T>
Vec<T> no_vec() {
  return {nullptr, 0};
}
template <class T>
ConstVec<T> no_const_vec() {
  return {nullptr, 0};
}

template <class T>
Mat<T> no_mat() {
  return mat(static_cast<T*>(nullptr), 0, 0);
}
template <class T>
ConstMat<T> no_const_mat() {
  return mat(static_cast<const T*>(nullptr), 0, 0);
}

}  // namespace kiln
