// The files of a checkpoint and the manifest that vouches for them.
#include "kiln/run/checkpoint.h"

#include "kiln/core/file.h"
#include "kiln/tensor/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

std::string slot_name(const Parameter& parameter, const OptimizerSlot& slot) {
  return fmt::format("{}.{}", parameter.name, slot.name);
}

FileDigest write_optimizer(const fs::path& path, std::span<const OptimizerSlot> slots) {
  std::vector<TensorSource> sources;
  for (const OptimizerSlot& slot : slots) {
    const ParameterBuffer<float>& buffer = *slot.buffer;
    for (const Parameter& p : buffer.layout().parameters()) {
      sources.push_back({slot_name(p, slot), p.shape(), buffer.mat(p.id)});
    }
  }
  return write_safetensors(path, sources);
}

/// Throws what `examine` finds wrong with a file.
void verify(const fs::path& folder, const Manifest& manifest, decltype(examine_size) examine) {
  for (const auto& [name, digest] : manifest.files) {
    const std::optional<FileProblem> problem = examine(folder, name, digest);
    if (problem) fail(ExitCode::bad_input, "{}/{}", folder.string(), to_string(*problem));
  }
}

}  // namespace

void write_checkpoint_folder(const std::filesystem::path& folder, const CheckpointContents& contents) {
  Manifest manifest{.step = contents.state.step,
                    .files = write_huggingface_folder(folder, contents.config.model, contents.vocab_size,
                                                      contents.weights, contents.tokenizer),
                    .config = std::nullopt,
                    .tokenizer = hash_bytes(contents.tokenizer.tokenizer)};
  FileDigests& digests = manifest.files;
  Json config = versioned();
  config["vocab_size"] = contents.vocab_size;
  config["config"] = config_to_json(contents.config);
  manifest.config = hash_config(config["config"]);
  // Of the config file, so that data named relative to it is found from anywhere.
  std::error_code gone;  // a working directory may be removed under a run that needs it no more
  config["directory"] = (fs::current_path(gone) / contents.config.directory).lexically_normal().string();
  digests[kConfigFile] = write_file_synced(folder / kConfigFile, format_json(config));
  digests[kOptimizerFile] = write_optimizer(folder / kOptimizerFile, contents.optimizer);
  digests[kStateFile] = write_file_synced(folder / kStateFile, format_json(to_json(contents.state)));
  write_file_synced(folder / kManifestFile, format_manifest(manifest));
  sync_directory(folder);
}

void verify_sizes(const std::filesystem::path& folder) { verify(folder, read_manifest(folder), examine_size); }

void verify_checkpoint(const std::filesystem::path& folder) {
  const Manifest manifest = read_manifest(folder);
  verify(folder, manifest, examine_size);  // first: it costs nothing
  verify(folder, manifest, examine_contents);
}

std::uint64_t hash_config(const Json& config) { return hash_bytes(config.dump(-1, ' ', false, Json::error_handler_t::replace)); }

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
  from_json(read_json_object(path), state, problems);
  problems.throw_if_any(path.string(), ExitCode::bad_input);
  return state;
}

void check_optimizer(const std::filesystem::path& folder, const ParameterLayout& layout, std::size_t slots) {
  const SafetensorsFile file(path_within(folder, kOptimizerFile));
  const std::string path = file.path().string();
  std::set<std::string_view> found;  // the slots' names
  for (const TensorInfo& tensor : file.tensors()) {
    const std::size_t dot = std::min(tensor.name.rfind('.'), tensor.name.size());
    const ParameterId id = layout.find(tensor.name.substr(0, dot));
    check_input(static_cast<bool>(id), "{}: '{}' is of no parameter of the model", path, tensor.name);
    check_input(tensor.shape == layout[id].shape(), "{}: '{}' has shape {}, the model wants {}", path, tensor.name,
                shape_text(tensor.shape), shape_text(layout[id].shape()));
    found.insert(std::string_view(tensor.name).substr(dot));
  }
  const bool complete = found.size() == slots && file.tensors().size() == slots * layout.parameters().size();
  check_input(complete, "{}: holds {} tensors in {} slots, {} in {} are expected; was it saved by another optimizer?",
              path, file.tensors().size(), found.size(), slots * layout.parameters().size(), slots);
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
    for (const Parameter& p : slot.buffer->layout().parameters()) {
      file.read<float>(*file.find(slot_name(p, slot)), slot.buffer->mat(p.id));
    }
  }
}

}  // namespace kiln
