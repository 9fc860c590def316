// A model folder's weights: one safetensors file, or the shards that an index names.
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

/// The open files of a folder, their headers checked: model.safetensors or, where that is not there, the shards of
/// model.safetensors.index.json.
class WeightFiles {
 public:
  /// Throws Error (bad_input) where there is neither; where the index names a file outside the folder (be it by "..", a
  /// path or a symbolic link); and where its tensors are not just those of its files, each in the file that it says.
  explicit WeightFiles(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }  // the one file, or the index: for messages
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const StoredTensor* find(std::string_view name) const;  // null where there is none

 private:
  void open_shards(const std::filesystem::path& folder);
  void list_tensors();

  std::filesystem::path path_;
  std::vector<SafetensorsFile> files_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

/// Longest file that weights are written to; the reference library's default.
inline constexpr std::uint64_t kShardBytes = 5'000'000'000;

/// Writes the tensors in their order into a folder, each file flushed to the disk: model.safetensors where they come to
/// at most `shard_bytes`, else model-00001-of-0000N.safetensors and so on with their index; a tensor longer than that
/// has a file of its own. Throws Error (io).
FileDigests write_weight_files(const std::filesystem::path& folder, std::span<const TensorSource> tensors,
                               std::uint64_t shard_bytes = kShardBytes);

/// Whether a folder has weights of either form.
bool has_weight_files(const std::filesystem::path& folder);

}  // namespace kiln
