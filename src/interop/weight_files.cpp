// Writes weights and shards, and checks an index against the files that it names.
#include "kiln/interop/weight_files.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/json.h"

#include <nlohmann/json.hpp>

namespace kiln {
namespace {

/// Reads {"weight_map": {tensor: file}} and groups it by file. Throws Error (bad_input) if it has another form or a
/// file name is a path.
std::map<std::string, std::vector<std::string>> read_index(const std::filesystem::path& path) {
  const Json index = parse_json(read_file(path), path.string());
  const Json map = index.is_object() ? index.value("weight_map", Json()) : Json();
  check_input(map.is_object() && !map.empty(), "{}: /weight_map: an object of tensor and file is expected",
              path.string());
  std::map<std::string, std::vector<std::string>> tensors;
  for (const auto& [tensor, file] : map.items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    const bool plain = !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
    check_input(plain, "{}: /weight_map/{}: {} does not name a file in the folder", path.string(), tensor,
                brief_json(file));
    tensors[name].push_back(tensor);
  }
  return tensors;
}

/// Splits the tensors, in order, before each one that would make a file larger than `limit`.
std::vector<std::span<const TensorSource>> cut(std::span<const TensorSource> tensors, std::uint64_t limit) {
  std::vector<std::span<const TensorSource>> shards;
  std::size_t begin = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (i > begin && bytes + tensors[i].bytes() > limit) {
      shards.push_back(tensors.subspan(begin, i - begin));
      begin = i;
      bytes = 0;
    }
    bytes += tensors[i].bytes();
  }
  shards.push_back(tensors.subspan(begin));
  return shards;
}

}  // namespace

FileDigests write_weight_files(const std::filesystem::path& folder, std::span<const TensorSource> tensors,
                               std::uint64_t shard_bytes) {
  const auto shards = cut(tensors, shard_bytes);
  FileDigests digests;
  if (shards.size() == 1) {
    digests[std::string(kWeightsFile)] = write_safetensors(folder / kWeightsFile, tensors);
    return digests;
  }
  std::uint64_t total = 0;
  Json map = Json::object();
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    digests[name] = write_safetensors(folder / name, shards[i]);
    for (const TensorSource& tensor : shards[i]) {
      map[tensor.name] = name;
      total += tensor.bytes();
    }
  }
  const Json index{{"metadata", {{"total_size", total}}}, {"weight_map", std::move(map)}};
  digests[std::string(kWeightsIndex)] = write_file_synced(folder / kWeightsIndex, format_json(index));
  return digests;
}

WeightFiles::WeightFiles(const std::filesystem::path& folder) : path_(path_within(folder, kWeightsFile)) {
  if (path_exists(path_)) {
    files_.emplace_back(path_);
  } else {
    path_ = path_within(folder, kWeightsIndex);
    check_input(path_exists(path_), "{}: there is no {}, nor a {} of several files; kiln reads weights from these",
                folder.string(), kWeightsFile, kWeightsIndex);
    open_shards(folder);
  }
  list_tensors();
}

void WeightFiles::open_shards(const std::filesystem::path& folder) {
  const auto shards = read_index(path_);
  files_.reserve(shards.size());
  for (const auto& [name, tensors] : shards) {
    const SafetensorsFile& file = files_.emplace_back(path_within(folder, name));
    for (const std::string& tensor : tensors) {
      check_input(file.find(tensor) != nullptr, "{}: '{}' should be in {}, and is not", path_.string(), tensor, name);
    }
    check_input(file.tensors().size() == tensors.size(), "{}: {} holds {}, but the index names {} in it",
                path_.string(), name, counted(std::ssize(file.tensors()), "tensor"), format_count(std::ssize(tensors)));
  }
}

void WeightFiles::list_tensors() {
  for (const SafetensorsFile& file : files_) {
    for (const TensorInfo& tensor : file.tensors()) {
      by_name_.emplace(tensor.name, tensors_.size());
      tensors_.push_back({&file, &tensor});
    }
  }
}

const StoredTensor* WeightFiles::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

bool has_weight_files(const std::filesystem::path& folder) {
  return path_exists(folder / kWeightsFile) || path_exists(folder / kWeightsIndex);
}

}  // namespace kiln
