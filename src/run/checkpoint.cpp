// Writes the files of a checkpoint, then the manifest that lists them.
#include "kiln/run/checkpoint.h"

#include "kiln/core/file.h"
#include "kiln/interop/peft.h"
#include "kiln/tensor/safetensors.h"
#include "kiln/text/document.h"

#include <nlohmann/json.hpp>

#include "run/config_places.h"
#include <algorithm>
#include <string_view>
#include <system_error>

namespace kiln {
namespace {

namespace fs = std::filesystem;

/// Returns true if a file of this state may contain the tensor. Older checkpoints also contain zeros for parameters
/// outside a slot's layout: Muon's second moment.
bool belongs(std::string_view tensor, std::span<const StateLayout> state) {
  const std::size_t dot = std::min(tensor.rfind('.'), tensor.size());
  const std::string_view parameter = tensor.substr(0, dot), slot = tensor.substr(std::min(dot + 1, tensor.size()));
  const auto knows = [&](const StateLayout& known) { return static_cast<bool>(known.layout.find(parameter)); };
  return std::ranges::any_of(state, knows) && std::ranges::find(state, slot, &StateLayout::name) != state.end();
}

void check_state(const SafetensorsFile& file, std::span<const StateLayout> state) {
  const std::string path = file.path().string();
  for (const TensorInfo& tensor : file.tensors()) {
    check_input(belongs(tensor.name, state), "{}: '{}' does not belong to this optimizer; was it saved by another one?",
                path, tensor.name);
  }
  for (const auto& [slot, layout] : state) {
    for (const Parameter& p : layout.parameters()) {
      const std::string name = name_of_state(p, slot);
      const TensorInfo* tensor = file.find(name);
      check_input(tensor != nullptr, "{}: '{}' is missing; was it saved by another optimizer?", path, name);
      check_input(tensor->shape == p.shape(), "{}: '{}' has shape {}, the model wants {}", path, name,
                  shape_text(tensor->shape), shape_text(p.shape()));
    }
  }
}

FileDigest write_optimizer(const fs::path& path, std::span<const OptimizerSlot> slots) {
  std::vector<TensorSource> sources;
  for (const OptimizerSlot& slot : slots) {
    const ParameterBuffer<float>& buffer = *slot.buffer;
    for (const Parameter& p : buffer.layout().parameters()) {
      sources.push_back({name_of_state(p, slot.name), p.shape(), buffer.mat(p.id)});
    }
  }
  return write_safetensors(path, sources);
}

/// Writes the state of all ranks, one tensor after the other.
FileDigest write_shared_optimizer(const fs::path& path, SharedState& state) {
  state.begin();
  std::vector<TensorSource> sources;
  for (const StateLayout& slot : state.whole()) {
    for (const Parameter& p : slot.layout.parameters()) {
      sources.push_back({name_of_state(p, slot.name), p.shape(), mat(state.values(), p.rows, p.cols)});
    }
  }
  return write_safetensors(path, sources, {{"format", "pt"}},
                           [&](const TensorSource& tensor) { state.collect(tensor.name); });
}

/// Throws the first problem that `examine` finds.
void verify(const fs::path& folder, const Manifest& manifest, decltype(examine_size) examine) {
  for (const auto& [name, digest] : manifest.files) {
    const std::optional<FileProblem> problem = examine(folder, name, digest);
    if (problem) fail(ExitCode::bad_input, "{}/{}", folder.string(), to_string(*problem));
  }
}

/// Writes the whole model, or its adapters.
FileDigests write_model(const fs::path& folder, const CheckpointContents& contents) {
  const ModelConfig& model = contents.config.model;
  if (!model.lora.is_on()) {
    return write_huggingface_folder(folder, model, contents.vocab_size, contents.weights, contents.tokenizer);
  }
  FileDigests digests = write_adapters(folder, model, contents.vocab_size, contents.base.path, contents.weights);
  digests.merge(write_tokenizer_files(folder, contents.tokenizer));
  return digests;
}

BaseModel read_base(const Json& json) {
  const Json base = json.value("base", Json());
  if (!base.is_object()) return {};
  const Json path = base.value("path", Json()), hash = base.value("hash", Json());
  return {.path = path.is_string() ? path.get<std::string>() : "",
          .hash = hash.is_number_unsigned() ? hash.get<std::uint64_t>() : 0};
}

}  // namespace

void write_checkpoint_folder(const std::filesystem::path& folder, const CheckpointContents& contents) {
  Manifest manifest{.step = contents.state.step,
                    .files = write_model(folder, contents),
                    .config = std::nullopt,
                    .tokenizer = hash_bytes(contents.tokenizer.tokenizer)};
  FileDigests& digests = manifest.files;
  Json config = versioned();
  config["vocab_size"] = contents.vocab_size;
  config["config"] = config_to_json(contents.config);
  manifest.config = hash_config(config["config"]);
  config.update(places_to_json(contents.config));
  if (contents.config.model.lora.is_on()) config["base"] = {{"path", contents.base.path}, {"hash", contents.base.hash}};
  const TrainerState& state = contents.state;
  if (state.reward_mean) config["rewards"] = to_json(RewardScale{*state.reward_mean, *state.reward_deviation});
  digests[kConfigFile] = write_file_synced(folder / kConfigFile, format_json(config));
  const fs::path optimizer = folder / kOptimizerFile;
  digests[kOptimizerFile] = contents.shared != nullptr ? write_shared_optimizer(optimizer, *contents.shared)
                                                       : write_optimizer(optimizer, contents.optimizer);
  if (!contents.rollout.empty()) {
    digests[kRolloutFile] = write_file_synced(folder / kRolloutFile, contents.rollout);
  }
  digests[kStateFile] = write_file_synced(folder / kStateFile, format_json(to_json(contents.state)));
  write_file_synced(folder / kManifestFile, format_manifest(manifest));
  sync_directory(folder);
}

void verify_sizes(const std::filesystem::path& folder) { verify(folder, read_manifest(folder), examine_size); }

void verify_checkpoint(const std::filesystem::path& folder) {
  const Manifest manifest = read_manifest(folder);
  verify(folder, manifest, examine_size);  // first: it is cheap
  verify(folder, manifest, examine_contents);
}

std::uint64_t hash_config(const Json& config) {
  return hash_bytes(config.dump(-1, ' ', false, Json::error_handler_t::replace));
}

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
                        vocab_size.get<Index>(), read_base(json), reward_scale_from(json.value("rewards", Json()))};
  // Runs older than these keys used the tokens of these names, if their vocabulary has them.
  TokenizerConfig& tokenizer = read.config.tokenizer;
  if (!tokenizer.start_of_text) tokenizer.start_of_text = kStart;
  if (!tokenizer.end_of_text) tokenizer.end_of_text = kEndOfText;
  read_places(json, read.config);
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

std::vector<StateLayout> state_of_run(const Config& config, const ParameterLayout& trained) {
  std::vector<StateLayout> state = state_layouts(config.optimizer, trained);
  if (config.distributed.is_local()) state.push_back({kOuterSlot, trained});
  return state;
}

void check_optimizer(const std::filesystem::path& folder, std::span<const StateLayout> state) {
  check_state(SafetensorsFile(path_within(folder, kOptimizerFile)), state);
}

void read_optimizer(const std::filesystem::path& folder, std::span<const OptimizerSlot> slots) {
  std::vector<StateLayout> state;
  for (const OptimizerSlot& slot : slots) state.push_back({slot.name, slot.buffer->layout()});
  read_optimizer(folder, slots, state);
}

void read_optimizer(const std::filesystem::path& folder, std::span<const OptimizerSlot> slots,
                    std::span<const StateLayout> state) {
  const SafetensorsFile file(path_within(folder, kOptimizerFile));
  check_state(file, state);
  for (const OptimizerSlot& slot : slots) {
    for (const Parameter& p : slot.buffer->layout().parameters()) {
      file.read_part(*file.find(name_of_state(p, slot.name)), p.first, slot.buffer->vec(p.id));
    }
  }
}

}  // namespace kiln
