// Safetensors files: a reader that trusts nothing, and a writer that keeps no second copy of a model.
#pragma once

#include "kiln/core/file_streams.h"
#include "kiln/core/hash.h"
#include "kiln/tensor/elements.h"
#include "kiln/tensor/safetensors_header.h"

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kiln {

/// An open file whose header has been checked; elements are read from the disk when they are asked for.
class SafetensorsFile {
 public:
  /// Throws Error (bad_input: the file is no sound safetensors file, named with what is wrong; io).
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const TensorInfo* find(std::string_view name) const;  // null where there is none

  /// Reads a tensor of R = out.rows() times S = out.cols() elements, or its transpose: the file then holds (S, R).
  /// T is float, double or bfloat16 for tensors of F64, F32, F16 and BF16 (converted), and Index for those of integers.
  /// Throws Error (bad_input) where the tensor's type is another, or the file was cut short meanwhile.
  template <class T>
  void read(const TensorInfo& tensor, Mat<T> out, bool transposed = false) const;

  /// All elements of a tensor that has to be there: Error (bad_input) where it is not.
  template <class T>
  std::vector<T> read(std::string_view name) const;

 private:
  FileReader file_;
  SafetensorsHeader header_;
  std::uint64_t data_begin_ = 0;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

/// Writes a new file, flushed to the disk, in the order that the reference library writes: types of a higher rank
/// first, then by name. Memory stays below a megabyte or so, whatever the sizes. Throws Error (io).
FileDigest write_safetensors(const std::filesystem::path& path, std::span<const TensorSource> tensors,
                             const std::map<std::string, std::string>& metadata = {{"format", "pt"}});

}  // namespace kiln
