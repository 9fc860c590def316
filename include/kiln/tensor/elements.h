// Converts elements between files and matrices, piece by piece, without a second copy of a model.
#pragma once

#include "kiln/core/file_streams.h"
#include "kiln/tensor/safetensors_header.h"
#include "kiln/tensor/view.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kiln {

/// Reads R = out.rows() times S = out.cols() elements of `type`, row-major from `offset` in the file, or their
/// transpose: the file then holds (S, R). T is float, double or bfloat16 for F64, F32, F16 and BF16 (converted), and
/// Index for integers. Returns false if the type is not of T's kind. Throws Error (bad_input if the file ends before,
/// io). Advances progress bars.
template <class T>
bool read_elements(const FileReader& file, std::uint64_t offset, DataType type, Mat<T> out, bool transposed = false);

/// A tensor to write: the file gets `values`, or their transpose, converted to `type` (F32, F64, BF16 or F16). `shape`
/// is the file's and has as many elements as `values`.
struct TensorSource {
  std::string name;
  std::vector<Index> shape;
  ConstMat<float> values;
  bool transposed = false;
  DataType type = DataType::f32;

  std::uint64_t bytes() const { return static_cast<std::uint64_t>(values.size()) * size_of(type); }
};

/// Writes a tensor's elements, row-major. Uses less than a megabyte, except for rows of more than 65,536 elements.
/// Throws Error (io). Advances progress bars.
void write_elements(FileWriter& file, const TensorSource& tensor);

/// Throws Error (usage) that lists every tensor with a finite value that its type makes infinite: F16 beyond 65,504.
void check_range(std::span<const TensorSource> tensors);

}  // namespace kiln
