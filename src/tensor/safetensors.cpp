// Checks the header and delegates elements to elements.h.
#include "kiln/tensor/safetensors.h"

#include "kiln/core/error.h"
#include "kiln/core/file_streams.h"
#include "kiln/core/format.h"

#include <algorithm>
#include <cassert>
#include <type_traits>

namespace kiln {
namespace {

constexpr std::uint64_t kLengthSize = 8;                           // of the number before the header
constexpr std::uint64_t kLongestHeader = std::uint64_t{16} << 20;  // bytes; a parsed header takes several times that

/// Returns the tensors in file order, with offsets.
std::vector<TensorInfo> lay_out(std::span<const TensorSource* const> tensors) {
  std::vector<TensorInfo> infos;
  std::uint64_t offset = 0;
  for (const TensorSource* t : tensors) {
    const std::uint64_t end = offset + t->bytes();
    infos.push_back({t->name, t->type, t->shape, offset, end});
    offset = end;
  }
  return infos;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const std::string source = path.string();
  const std::uint64_t size = file_.size();
  check_input(size >= kLengthSize, "{}: holds {}, too few for a safetensors file", source,
              counted(static_cast<std::int64_t>(size), "byte"));
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
  check_input(read_elements(file_, data_begin_ + tensor.begin, tensor.type, out, transposed),
              "{}: tensor '{}' is of type {}; {} are expected", path().string(), tensor.name, name_of(tensor.type),
              std::is_same_v<T, Index> ? "integers" : "F32, F16, BF16 or F64");
}

void SafetensorsFile::read_part(const TensorInfo& tensor, Index first, Vec<float> out) const {
  assert(first >= 0 && first + out.size() <= tensor.elements());
  const std::uint64_t begin = data_begin_ + tensor.begin + static_cast<std::uint64_t>(first) * size_of(tensor.type);
  check_input(read_elements(file_, begin, tensor.type, mat(out.data(), 1, out.size())),
              "{}: tensor '{}' is of type {}; F32, F16, BF16 or F64 are expected", path().string(), tensor.name,
              name_of(tensor.type));
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
                             const std::map<std::string, std::string>& metadata,
                             const std::function<void(const TensorSource&)>& before) {
  std::vector<const TensorSource*> ordered;
  for (const TensorSource& tensor : tensors) ordered.push_back(&tensor);
  std::ranges::sort(ordered, [](const TensorSource* a, const TensorSource* b) {
    return a->type != b->type ? a->type > b->type : a->name < b->name;
  });
  const std::string header = format_safetensors_header(lay_out(ordered), metadata);
  const std::uint64_t length = header.size();
  FileWriter file(path, PageCache::bypass);
  file.write({reinterpret_cast<const char*>(&length), sizeof(length)});
  file.write(header);
  for (const TensorSource* tensor : ordered) {
    if (before) before(*tensor);
    write_elements(file, *tensor);
  }
  return file.finish();
}

}  // namespace kiln
