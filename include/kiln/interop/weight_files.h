// Reads and writes a model folder's weights: one safetensors file, or shards listed in an index.
#pragma once

#include "kiln/core/hash.h"
#include "kiln/tensor/safetensors.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kiln {

inline constexpr std::string_view kWeightsFile = "model.safetensors";
inline constexpr std::string_view kWeightsIndex = "model.safetensors.index.json";

using FileDigests = std::map<std::string, FileDigest>;  // by name

/// A tensor and the file that holds it.
struct StoredTensor {
  const SafetensorsFile* file;
  const TensorInfo* info;
};

/// Opens a folder's weight files and checks their headers: model.safetensors, or else the shards of
/// model.safetensors.index.json.
class WeightFiles {
 public:
  /// Throws Error (bad_input) if neither exists; if the index names a file outside the folder (by "..", a path or a
  /// symbolic link); or if the index and the files do not list the same tensors, each in the same file.
  explicit WeightFiles(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }  // the file or the index, for messages
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const StoredTensor* find(std::string_view name) const;  // null if there is none

 private:
  void open_shards(const std::filesystem::path& folder);
  void list_tensors();

  std::filesystem::path path_;
  std::vector<SafetensorsFile> files_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

/// Maximum size of a weight file; Hugging Face's default.
inline constexpr std::uint64_t kShardBytes = 5'000'000'000;

/// Writes the tensors, in order, into a folder and flushes each file to the disk: model.safetensors if they total at
/// most `shard_bytes`, otherwise model-00001-of-0000N.safetensors and so on with an index. A larger tensor gets its own
/// file. Throws Error (io).
FileDigests write_weight_files(const std::filesystem::path& folder, std::span<const TensorSource> tensors,
                               std::uint64_t shard_bytes = kShardBytes);

/// Returns whether a folder has weights of either form.
bool has_weight_files(const std::filesystem::path& folder);

}  // namespace kiln
