// Reads safetensors files, validating everything, and writes them without a second copy of a model.
#pragma once

#include "kiln/core/file_streams.h"
#include "kiln/core/hash.h"
#include "kiln/tensor/elements.h"
#include "kiln/tensor/safetensors_header.h"

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kiln {

/// Opens a file and checks its header; reads elements from the disk on request.
class SafetensorsFile {
 public:
  /// Throws Error (bad_input: the file is not a valid safetensors file, with the reason; io).
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const TensorInfo* find(std::string_view name) const;  // null if there is none

  /// Reads a tensor of R = out.rows() times S = out.cols() elements, or its transpose: the file then holds (S, R). T is
  /// float, double or bfloat16 for tensors of F64, F32, F16 and BF16 (converted), and Index for those of integers.
  /// Throws Error (bad_input) if the tensor has another type or the file was cut short meanwhile.
  template <class T>
  void read(const TensorInfo& tensor, Mat<T> out, bool transposed = false) const;

  /// Reads elements from `first` on, in the file's order. Throws as the other reads do.
  void read_part(const TensorInfo& tensor, Index first, Vec<float> out) const;

  /// Returns all elements of a tensor. Throws Error (bad_input) if it is missing, and as the other read does.
  template <class T>
  std::vector<T> read(std::string_view name) const;

 private:
  FileReader file_;
  SafetensorsHeader header_;
  std::uint64_t data_begin_ = 0;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

/// Writes a new file and flushes it to the disk. Orders tensors as the reference library does: by descending rank of
/// type, then by name. Memory: see write_elements. Calls `before` with each tensor before it reads the values, which
/// that call may provide. Throws Error (io).
FileDigest write_safetensors(const std::filesystem::path& path, std::span<const TensorSource> tensors,
                             const std::map<std::string, std::string>& metadata = {{"format", "pt"}},
                             const std::function<void(const TensorSource&)>& before = {});

}  // namespace kiln
