// The files of a checkpoint and the manifest that vouches for them.
#include "kiln/run/checkpoint.h"

#include "kiln/core/file.h"
#include "kiln/tensor/safetensors.h"

#include <nlohmann/json.hpp>

#include <array>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "kiln.json";
constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kStateFile = "trainer.json";
constexpr const char* kManifestFile = "manifest.json";
constexpr std::array kRequired{"config.json", kConfigFile, kOptimizerFile, kStateFile};  // and the weights

Json versioned() { return {{"format_version", kCheckpointFormat}, {"kiln_version", KILN_VERSION}}; }

std::string slot_name(const Parameter& parameter, const OptimizerSlot& slot) {
  return fmt::format("{}.{}", parameter.name, slot.name);
}

FileDigest write_optimizer(const fs::path& path, std::span<const OptimizerSlot> slots) {
  std::vector<TensorSource> sources;
  for (const OptimizerSlot& slot : slots) {
    const ParameterBuffer<float>& buffer = *slot.buffer;
    const std::vector<Parameter>& parameters = buffer.layout().parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const ParameterId id{static_cast<int>(i)};
      sources.push_back({slot_name(parameters[i], slot), parameters[i].shape(), buffer.mat(id)});
    }
  }
  return write_safetensors(path, sources);
}

std::string manifest_text(const FileDigests& digests, std::int64_t step) {
  Json manifest = versioned();
  manifest["step"] = step;
  manifest["files"] = Json::object();
  for (const auto& [name, digest] : digests) {
    manifest["files"][name] = {{"size", digest.size}, {"xxh3", hex(digest.hash)}};
  }
  return format_json(manifest);
}

Json read_object(const fs::path& path) {
  Json json = parse_json(read_file(path), path.string());
  check_input(json.is_object(), "{}: an object is expected", path.string());
  return json;
}

/// Reads kiln.json or manifest.json, whose format this kiln has to know.
Json read_versioned(const fs::path& path) {
  Json json = read_object(path);
  const Json version = json.value("format_version", Json());
  check_input(version.is_number_integer(), "{}: /format_version: a number is expected", path.string());
  if (version > kCheckpointFormat) {
    throw NewerFormatError(
        ExitCode::bad_input,
        fmt::format("{}: written in format {}, and this kiln ({}) knows those up to {}; use a newer kiln",
                    path.string(), brief_json(version), KILN_VERSION, kCheckpointFormat));
  }
  return json;
}

/// The files that a manifest lists, the required ones among them.
FileDigests read_manifest(const fs::path& folder) {
  const fs::path path = folder / kManifestFile;
  check_input(path_exists(path), "{}: there is no {}: the checkpoint was not finished", folder.string(), kManifestFile);
  const Json manifest = read_versioned(path);
  const Json files = manifest.value("files", Json());
  check_input(files.is_object(), "{}: /files: an object is expected", path.string());
  FileDigests digests;
  for (const auto& [name, entry] : files.items()) {
    const bool sound = entry.is_object() && entry.value("size", Json()).is_number_unsigned() &&
                       entry.value("xxh3", Json()).is_string();
    check_input(sound, "{}: /files/{}: a size and an xxh3 are expected", path.string(), name);
    const std::string text = entry["xxh3"].get<std::string>();
    const std::uint64_t hash = std::strtoull(text.c_str(), nullptr, 16);
    check_input(hex(hash) == text, "{}: /files/{}/xxh3: 16 hexadecimal digits are expected", path.string(), name);
    digests[name] = {entry["size"].get<std::uint64_t>(), hash};
  }
  for (const char* name : kRequired) {
    check_input(digests.contains(name), "{}: {} is not listed", path.string(), name);
  }
  const bool has_weights = digests.contains(std::string(kWeightsFile)) || digests.contains(std::string(kWeightsIndex));
  check_input(has_weights, "{}: {} is not listed", path.string(), kWeightsFile);
  return digests;
}

void check_sizes(const fs::path& folder, const FileDigests& digests) {
  for (const auto& [name, digest] : digests) {
    const fs::path path = path_within(folder, name);
    std::error_code error;
    check_input(fs::is_regular_file(path, error), "{}: is missing; the manifest lists it", path.string());
    const std::uint64_t size = FileReader(path).size();
    check_input(size == digest.size, "{}: has {} bytes, the manifest says {}; was it cut short?", path.string(), size,
                digest.size);
  }
}

}  // namespace

void write_checkpoint_folder(const std::filesystem::path& folder, const CheckpointContents& contents) {
  FileDigests digests = write_huggingface_folder(folder, contents.config.model, contents.vocab_size, contents.weights,
                                                 contents.tokenizer);
  Json config = versioned();
  config["vocab_size"] = contents.vocab_size;
  config["config"] = config_to_json(contents.config);
  // Of the config file, so that data named relative to it is found from anywhere.
  config["directory"] = (fs::current_path() / contents.config.directory).lexically_normal().string();
  digests[kConfigFile] = write_file_synced(folder / kConfigFile, format_json(config));
  digests[kOptimizerFile] = write_optimizer(folder / kOptimizerFile, contents.optimizer);
  digests[kStateFile] = write_file_synced(folder / kStateFile, format_json(to_json(contents.state)));
  write_file_synced(folder / kManifestFile, manifest_text(digests, contents.state.step));
  sync_directory(folder);
}

void verify_checkpoint(const std::filesystem::path& folder) {
  const FileDigests digests = read_manifest(folder);
  check_sizes(folder, digests);
  for (const auto& [name, digest] : digests) {
    const std::uint64_t hash = hash_file(folder / name);
    check_input(hash == digest.hash,
                "{}: the checksum is {}, the manifest says {}: the file has been damaged or changed",
                (folder / name).string(), hex(hash), hex(digest.hash));
  }
}

void verify_sizes(const std::filesystem::path& folder) { check_sizes(folder, read_manifest(folder)); }

bool is_checkpoint(const std::filesystem::path& folder) { return path_exists(folder / kConfigFile); }

CheckpointConfig read_checkpoint_config(const std::filesystem::path& folder) {
  const fs::path path = path_within(folder, kConfigFile);
  const Json json = read_versioned(path);
  const Json vocab_size = json.value("vocab_size", Json());
  const bool sound =
      vocab_size.is_number_integer() && vocab_size > 0 && vocab_size <= std::numeric_limits<std::int32_t>::max();
  check_input(sound, "{}: /vocab_size: a count is expected", path.string());
  const std::string source = path.string() + ": /config";
  CheckpointConfig read{config_from_json(json.value("config", Json()), source, Purpose::plan, ExitCode::bad_input),
                        vocab_size.get<Index>()};
  if (const Json directory = json.value("directory", Json()); directory.is_string()) {
    read.config.directory = directory.get<std::string>();
  }
  return read;
}

TrainerState read_trainer_state(const std::filesystem::path& folder) {
  const fs::path path = path_within(folder, kStateFile);
  TrainerState state;
  Problems problems;
  from_json(read_object(path), state, problems);
  problems.throw_if_any(path.string(), ExitCode::bad_input);
  return state;
}

void read_optimizer(const std::filesystem::path& folder, std::span<const OptimizerSlot> slots) {
  const SafetensorsFile file(path_within(folder, kOptimizerFile));
  std::size_t wanted = 0;
  for (const OptimizerSlot& slot : slots) {
    for (const Parameter& p : slot.buffer->layout().parameters()) {
      const std::string name = slot_name(p, slot);
      const TensorInfo* tensor = file.find(name);
      check_input(tensor != nullptr, "{}: '{}' is missing; was it saved by another optimizer?", file.path().string(),
                  name);
      check_input(tensor->shape == p.shape(), "{}: '{}' has shape {}, the model wants {}", file.path().string(), name,
                  shape_text(tensor->shape), shape_text(p.shape()));
      ++wanted;
    }
  }
  check_input(file.tensors().size() == wanted,
              "{}: holds {} tensors, {} are expected; was it saved by another optimizer?", file.path().string(),
              file.tensors().size(), wanted);
  for (const OptimizerSlot& slot : slots) {
    const std::vector<Parameter>& parameters = slot.buffer->layout().parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      file.read<float>(*file.find(slot_name(parameters[i], slot)), slot.buffer->mat(ParameterId{static_cast<int>(i)}));
    }
  }
}

}  // namespace kiln
