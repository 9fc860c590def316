// Converts elements for all formats: safetensors, GGUF and llm.c's files.
#include "kiln/tensor/elements.h"

#include "kiln/core/error.h"
#include "kiln/core/file_streams.h"
#include "kiln/core/report.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace kiln {
namespace {

static_assert(std::endian::native == std::endian::little, "the formats are little-endian, and so is this code");

constexpr Index kPieceElements = Index{1} << 16;  // per piece in memory

Index rows_a_piece(Index cols) { return std::max<Index>(1, kPieceElements / std::max<Index>(cols, 1)); }

template <class Stored, class T>
void convert(std::span<const std::byte> raw, std::span<T> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, raw.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = static_cast<T>(value);  // NOLINT(bugprone-signed-char-misuse): an I8 is a number
  }
}

/// Converts elements of `type`; returns false if T is not of the type's kind.
template <class T>
bool convert(DataType type, std::span<const std::byte> raw, std::span<T> out) {
  if constexpr (std::is_same_v<T, Index>) {
    switch (type) {
      case DataType::u8:
        return convert<std::uint8_t>(raw, out), true;
      case DataType::i8:
        return convert<std::int8_t>(raw, out), true;
      case DataType::i16:
        return convert<std::int16_t>(raw, out), true;
      case DataType::u16:
        return convert<std::uint16_t>(raw, out), true;
      case DataType::i32:
        return convert<std::int32_t>(raw, out), true;
      case DataType::u32:
        return convert<std::uint32_t>(raw, out), true;
      case DataType::i64:
        return convert<std::int64_t>(raw, out), true;
      default:
        return false;
    }
  } else {
    switch (type) {
      case DataType::f16:
        return convert<Eigen::half>(raw, out), true;
      case DataType::bf16:
        return convert<bfloat16>(raw, out), true;
      case DataType::f32:
        return convert<float>(raw, out), true;
      case DataType::f64:
        return convert<double>(raw, out), true;
      default:
        return false;
    }
  }
}

template <class Stored>
void write(FileWriter& file, const RowMajor<Stored>& values) {
  file.write({reinterpret_cast<const char*>(values.data()), static_cast<std::size_t>(values.size()) * sizeof(Stored)});
}

template <class Stored>
void write_as(FileWriter& file, const RowMajor<float>& values) {
  write<Stored>(file, values.cast<Stored>());
}

/// Returns the largest magnitude that is finite as float but not as Stored; 0 if there is none.
template <class Stored>
float beyond(const ConstMat<float>& values) {
  float largest = 0;
  for (Index i = 0; i < values.rows(); ++i) {
    for (Index j = 0; j < values.cols(); ++j) {
      const float value = std::abs(values(i, j));
      if (value > largest && std::isfinite(value) && !(Eigen::numext::isfinite)(static_cast<Stored>(value))) {
        largest = value;
      }
    }
  }
  return largest;
}

}  // namespace

template <class T>
bool read_elements(const FileReader& file, std::uint64_t offset, DataType type, Mat<T> out, bool transposed) {
  const Index rows = transposed ? out.cols() : out.rows();
  const Index cols = transposed ? out.rows() : out.cols();
  const std::uint64_t row_bytes = static_cast<std::uint64_t>(cols) * size_of(type);
  std::vector<std::byte> raw;
  RowMajor<T> piece;
  for (Index begin = 0; begin < rows; begin += rows_a_piece(cols)) {
    const Index count = std::min(rows_a_piece(cols), rows - begin);
    raw.resize(static_cast<std::size_t>(count) * row_bytes);
    piece.resize(count, cols);
    file.read(offset + static_cast<std::uint64_t>(begin) * row_bytes, raw);
    if (!convert<T>(type, raw, {piece.data(), static_cast<std::size_t>(piece.size())})) return false;
    if (transposed) {
      out.middleCols(begin, count) = piece.transpose();
    } else {
      out.middleRows(begin, count) = piece;
    }
    Work::advance(piece.size());
  }
  return true;
}

#define KILN_INSTANTIATE(T) template bool read_elements<T>(const FileReader&, std::uint64_t, DataType, Mat<T>, bool);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(double)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(Index)
#undef KILN_INSTANTIATE

void write_elements(FileWriter& file, const TensorSource& tensor) {
  const Index rows = tensor.transposed ? tensor.values.cols() : tensor.values.rows();
  const Index cols = tensor.transposed ? tensor.values.rows() : tensor.values.cols();
  RowMajor<float> piece;
  for (Index begin = 0; begin < rows; begin += rows_a_piece(cols)) {
    const Index count = std::min(rows_a_piece(cols), rows - begin);
    if (tensor.transposed) {
      piece = tensor.values.middleCols(begin, count).transpose();
    } else {
      piece = tensor.values.middleRows(begin, count);
    }
    switch (tensor.type) {
      case DataType::f64:
        write_as<double>(file, piece);
        break;
      case DataType::bf16:
        write_as<bfloat16>(file, piece);
        break;
      case DataType::f16:
        write_as<Eigen::half>(file, piece);
        break;
      default:
        write(file, piece);
    }
    Work::advance(piece.size());
  }
}

void check_range(std::span<const TensorSource> tensors) {
  std::vector<std::string> lines{"weights exceed the range of the type; choose bf16 or f32:"};
  for (const TensorSource& tensor : tensors) {
    const float largest = tensor.type == DataType::f16    ? beyond<Eigen::half>(tensor.values)
                          : tensor.type == DataType::bf16 ? beyond<bfloat16>(tensor.values)
                                                          : 0;
    if (largest > 0)
      lines.push_back(fmt::format("  '{}' has {:.6g}, beyond {}", tensor.name, largest, name_of(tensor.type)));
  }
  if (lines.size() > 1) fail_lines(ExitCode::usage, lines);
}

}  // namespace kiln
