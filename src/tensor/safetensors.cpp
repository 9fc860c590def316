// Elements between files and matrices, a piece at a time.
#include "kiln/tensor/safetensors.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace kiln {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian, and so is this code");

constexpr std::uint64_t kLengthSize = 8;                           // of the number before the header
constexpr std::uint64_t kLongestHeader = std::uint64_t{16} << 20;  // bytes; a parsed header takes several times that
constexpr Index kPieceElements = Index{1} << 16;                   // that pass through memory at once

Index rows_a_piece(Index cols) { return std::max<Index>(1, kPieceElements / std::max<Index>(cols, 1)); }

template <class Stored, class T>
void convert(std::span<const std::byte> raw, std::span<T> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, raw.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = static_cast<T>(value);  // NOLINT(bugprone-signed-char-misuse): an I8 is a number
  }
}

/// Converts elements of `type`; false where T is not the kind of number that the type is.
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
void write_as(FileWriter& file, const RowMajor<float>& values) {
  RowMajor<Stored> converted(values.rows(), values.cols());
  converted = values.cast<Stored>();
  file.write(
      {reinterpret_cast<const char*>(converted.data()), static_cast<std::size_t>(converted.size()) * sizeof(Stored)});
}

void write_values(FileWriter& file, const TensorSource& tensor) {
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
        write_as<float>(file, piece);
    }
  }
}

/// In the order of the file, each with its place.
std::vector<TensorInfo> lay_out(std::span<const TensorSource* const> tensors) {
  std::vector<TensorInfo> infos;
  std::uint64_t offset = 0;
  for (const TensorSource* t : tensors) {
    const std::uint64_t end = offset + static_cast<std::uint64_t>(t->values.size()) * size_of(t->type);
    infos.push_back({t->name, t->type, t->shape, offset, end});
    offset = end;
  }
  return infos;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const std::string source = path.string();
  const std::uint64_t size = file_.size();
  check_input(size >= kLengthSize, "{}: {} bytes are too few for a safetensors file", source, size);
  std::uint64_t length = 0;
  file_.read(0, std::as_writable_bytes(std::span(&length, 1)));
  check_input(length <= kLongestHeader,
              "{}: not a safetensors file: its header would be {} bytes long; at most {} are read", source, length,
              kLongestHeader);
  check_input(length <= size - kLengthSize, "{}: the header is {} bytes long, the file {}; was it cut short?", source,
              length, size);
  std::string json(length, '\0');
  file_.read(kLengthSize, std::as_writable_bytes(std::span(json)));
  data_begin_ = kLengthSize + length;
  header_ = parse_safetensors_header(json, size - data_begin_, source);
  for (std::size_t i = 0; i < header_.tensors.size(); ++i) by_name_.emplace(header_.tensors[i].name, i);
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &header_.tensors[found->second];
}

template <class T>
void SafetensorsFile::read(const TensorInfo& tensor, Mat<T> out, bool transposed) const {
  assert(out.size() == tensor.elements());
  const Index rows = transposed ? out.cols() : out.rows();
  const Index cols = transposed ? out.rows() : out.cols();
  const std::uint64_t row_bytes = static_cast<std::uint64_t>(cols) * size_of(tensor.type);
  std::vector<std::byte> raw;
  RowMajor<T> piece;
  for (Index begin = 0; begin < rows; begin += rows_a_piece(cols)) {
    const Index count = std::min(rows_a_piece(cols), rows - begin);
    raw.resize(static_cast<std::size_t>(count) * row_bytes);
    piece.resize(count, cols);
    file_.read(data_begin_ + tensor.begin + static_cast<std::uint64_t>(begin) * row_bytes, raw);
    check_input(convert<T>(tensor.type, raw, {piece.data(), static_cast<std::size_t>(piece.size())}),
                "{}: tensor '{}' is of type {}; {} are expected", path().string(), tensor.name, name_of(tensor.type),
                std::is_same_v<T, Index> ? "integers" : "F32, F16, BF16 or F64");
    if (transposed) {
      out.middleCols(begin, count) = piece.transpose();
    } else {
      out.middleRows(begin, count) = piece;
    }
  }
}

template <class T>
std::vector<T> SafetensorsFile::read(std::string_view name) const {
  const TensorInfo* tensor = find(name);
  check_input(tensor != nullptr, "{}: there is no tensor '{}'", path().string(), name);
  std::vector<T> values(static_cast<std::size_t>(tensor->elements()));
  read<T>(*tensor, mat(values.data(), 1, tensor->elements()));
  return values;
}

#define KILN_INSTANTIATE(T)                                                      \
  template void SafetensorsFile::read<T>(const TensorInfo&, Mat<T>, bool) const; \
  template std::vector<T> SafetensorsFile::read<T>(std::string_view) const;
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(double)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(Index)
#undef KILN_INSTANTIATE

FileDigest write_safetensors(const std::filesystem::path& path, std::span<const TensorSource> tensors,
                             const std::map<std::string, std::string>& metadata) {
  std::vector<const TensorSource*> ordered;
  for (const TensorSource& tensor : tensors) ordered.push_back(&tensor);
  std::ranges::sort(ordered, [](const TensorSource* a, const TensorSource* b) {
    return a->type != b->type ? a->type > b->type : a->name < b->name;
  });
  const std::string header = format_safetensors_header(lay_out(ordered), metadata);
  const std::uint64_t length = header.size();
  FileWriter file(path);
  file.write({reinterpret_cast<const char*>(&length), sizeof(length)});
  file.write(header);
  for (const TensorSource* tensor : ordered) write_values(file, *tensor);
  return file.finish();
}

}  // namespace kiln
