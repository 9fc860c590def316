// Recognises a folder by its contents.
#include "kiln/run/model_source.h"

#include "kiln/core/file.h"
#include "kiln/core/file_streams.h"
#include "kiln/core/format.h"
#include "kiln/core/utf8.h"
#include "kiln/interop/llmc.h"
#include "kiln/interop/peft.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

std::optional<std::int64_t> parse_step(std::string_view text) {
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(step) : std::nullopt;
}

fs::path checkpoint_of_step(const fs::path& checkpoints, std::int64_t step) {
  std::string steps;
  for (const SavedCheckpoint& saved : list_checkpoints(checkpoints)) {
    if (saved.step == step) return saved.folder;
    steps += fmt::format("{}{}", steps.empty() ? "" : ", ", saved.step);
  }
  fail(ExitCode::usage, "{}: there is no checkpoint of step {}; there are those of {}", checkpoints.string(), step,
       steps.empty() ? "none" : steps);
}

fs::path choose(const fs::path& run, const std::string& choice) {
  const fs::path checkpoints = RunPaths{run}.checkpoints();
  std::optional<fs::path> found;
  if (choice == kLatestPointer || choice.empty()) {
    found = choice.empty() ? best_checkpoint(checkpoints) : std::nullopt;
    if (!found) found = latest_checkpoint(checkpoints);
    check(found.has_value(), "{}: the run has no checkpoint yet", run.string());
  } else if (choice == kBestPointer) {
    found = best_checkpoint(checkpoints);
    check(found.has_value(),
          "{}: the run has no best checkpoint, because it has no evaluation; use --checkpoint latest", run.string());
  } else {
    const std::optional<std::int64_t> step = parse_step(choice);
    check(step.has_value(), "--checkpoint {}: latest, best or a step is expected", choice);
    found = checkpoint_of_step(checkpoints, *step);
  }
  return *found;
}

bool is_model_file(const fs::path& path) { return path_exists(path) && !is_folder(path); }

constexpr std::string_view kExpectedModel =
    "a run directory (with checkpoints/), a checkpoint folder (with kiln.json), a Hugging Face model folder (with "
    "config.json and model.safetensors, or its shards' index), a folder of adapters (with adapter_config.json) or a "
    "model file of llm.c is expected";
constexpr std::string_view kLlmcBegin = "\xC6\xD7\x34\x01";  // 20240326, little-endian

/// A kind of file that is often given in place of a model, by its first bytes.
struct ForeignKind {
  std::string_view begin, what, remedy;
};
constexpr std::array kForeignKinds{
    ForeignKind{"GGUF", "GGUF, which kiln writes but does not read", "name the original model"},
    ForeignKind{"{", "a JSON file", "name the run directory, runs/NAME for a config"},
    ForeignKind{"PK\3\4", "a zip archive, as PyTorch's models are",
                "save the model with save_pretrained of transformers, and name that folder"},
    ForeignKind{"\x88\xD8\x34\x01", "a token file", kExpectedModel},
    ForeignKind{"\xA1\xD9\x34\x01", "a token file", kExpectedModel},
};

/// Says what a file is that is not a model file of llm.c, and what to name.
ForeignKind kind_of(std::string_view bytes) {
  for (const ForeignKind& kind : kForeignKinds) {
    if (bytes.starts_with(kind.begin)) return kind;
  }
  constexpr std::size_t kLengthBytes = 8;  // before the header of safetensors, a JSON object
  if (bytes.size() > kLengthBytes && bytes[kLengthBytes] == '{' && bytes.find('\0') < kLengthBytes)
    return {"", "a safetensors file", "name the folder that holds it, its config.json and its tokenizer"};
  if (bytes.empty()) return {"", "an empty file", kExpectedModel};
  constexpr std::size_t kLongestCharacter = 4;  // the end may have cut one
  const bool is_text =
      bytes.find('\0') == std::string_view::npos && utf8_valid_until(bytes) + kLongestCharacter > bytes.size();
  return {"", is_text ? "text" : "a file that kiln does not know", kExpectedModel};
}

/// Throws Error (bad_input) unless the file begins as llm.c's model files do.
void check_kind(const fs::path& file) {
  std::array<char, 1024> first{};
  const FileReader reader(file);
  const std::size_t size = std::min<std::uint64_t>(reader.size(), first.size());
  reader.read(0, std::as_writable_bytes(std::span(first).first(size)));
  const std::string_view bytes(first.data(), size);
  if (bytes.starts_with(kLlmcBegin)) return;
  const ForeignKind kind = kind_of(bytes);
  fail(ExitCode::bad_input, "{}: is {}; {}", file.string(), kind.what, kind.remedy);
}

/// Throws Error (usage) that says which file a folder lacks to be a model of Hugging Face.
void check_complete(const fs::path& folder) {
  const std::string name = folder.string();
  check(!is_run_directory(folder), "{}: the run has no checkpoint yet", name);
  const bool has_config = path_exists(folder / kModelConfigFile), has_weights = has_weight_files(folder);
  check(has_config || !has_weights, "{}: holds weights, but no {}; copy or download that too", name, kModelConfigFile);
  const bool has_pickles =
      path_exists(folder / "pytorch_model.bin") || path_exists(folder / "pytorch_model.bin.index.json");
  check(has_weights || !has_pickles,
        "{}: holds pytorch_model.bin, which kiln does not read, and neither {} nor {}; save the model with "
        "save_pretrained of transformers, and name that folder",
        name, kWeightsFile, kWeightsIndex);
  check(has_weights || !has_config,
        "{}: holds {}, but no weights: neither {} nor {} is there; copy or download them too", name, kModelConfigFile,
        kWeightsFile, kWeightsIndex);
  check(has_config, "{}: {}", name, kExpectedModel);
}

constexpr int kMostNested = 8;  // adapters of a model that consists of adapters, and so on

ModelSource open_nested(const fs::path& argument, const std::optional<std::string>& choice, Verify verify, int nested);

/// Returns where the base of a checkpoint's adapters may be: where it was, and where the config finds its init_from.
std::vector<fs::path> places_of_base(const CheckpointConfig& read) {
  std::vector<fs::path> places{read.base.path};
  if (!read.config.init_from) return places;
  const fs::path found = read.config.locate(*read.config.init_from);
  try {
    places.push_back(is_model_file(found) ? found : find_model_folder(found));
  } catch (const Error&) {
    // It is no model any more.
  }
  return places;
}

/// Opens the base of a checkpoint's adapters. Throws BaseModelError if it is no model any more.
ModelSource open_base(const fs::path& adapters, const fs::path& base, int nested) {
  try {
    return open_nested(base, std::nullopt, Verify::no, nested + 1);
  } catch (const BaseModelError&) {
    throw;  // of the base's own base
  } catch (const Error& error) {
    if (error.code() == ExitCode::io) throw;
    throw BaseModelError(adapters, base, fmt::format("cannot be read: {}", error.what()),
                         "put the model back that was there");
  }
}

/// Throws BaseModelError unless the model can be the base of these adapters: it may have more positions or rows.
void check_base(const fs::path& folder, const ModelSource& adapted, const ModelSource& base) {
  ModelConfig expected = adapted.model;
  expected.n_ctx = base.model.n_ctx;
  expected.dropout = base.model.dropout;
  expected.init = base.model.init;
  const Index known = adapted.vocab_size - adapted.adapter->lora.new_tokens;
  const bool fits = to_json(expected) == to_json(base.model) && known <= base.vocab_size;
  if (fits) return;
  throw BaseModelError(folder, base.folder, "is a model of another shape now", "put the model back that was there");
}

ModelSource open_checkpoint(const fs::path& folder, int nested) {
  CheckpointConfig read = read_checkpoint_config(folder);
  ModelConfig& model = read.config.model;
  if (!model.lora.is_on()) model.head = read_head(folder).value_or(model.head);
  NamedTokens named = read_named_tokens(folder, read.vocab_size);
  ModelSource source{folder, read.config.model, read.vocab_size, std::nullopt, std::move(named)};
  const LoraConfig lora = std::exchange(source.model.lora, {});
  if (lora.is_on()) {
    source.adapter = {.lora = lora, .base = {}};
    const AdapterDescription description = read_adapter_description(folder);
    source.adapter->lora.new_tokens = description.lora.new_tokens;
    source.model.head = model.head = description.head;
    if (!read.base.path.empty()) {
      source.adapter->base = find_base(folder, read.base, places_of_base(read));
      check_base(folder, source, open_base(folder, source.adapter->base, nested));
    }
  } else {
    check_config_against_weights(folder, source.model);
  }
  source.config = std::move(read.config);
  source.rewards = read.rewards;
  return source;
}

/// Opens a folder that PEFT wrote: the base model, with the folder's adapters and, if it has them, its tokens and its
/// score head.
ModelSource open_adapters(const fs::path& folder, int nested) {
  const AdapterDescription description = read_adapter_description(folder);
  const fs::path beside = folder / description.base;  // as is, if it is absolute
  const bool found = !description.base.empty() && path_exists(beside);
  const fs::path base = found ? beside : fs::path(description.base);
  check_input(!description.base.empty() && path_exists(base),
              "{}: /base_model_name_or_path: \"{}\" is no model on this machine; write the path of its folder there",
              (folder / kAdapterConfigFile).string(), description.base);
  ModelSource source = open_nested(base, std::nullopt, Verify::yes, nested + 1);
  source.adapter = {.lora = description.lora, .base = source.folder};
  check_input(description.head == HeadKind::score || predicts_tokens(source.model.head),
              "{}: holds adapters of a language model, and {} is a reward model", folder.string(),
              source.folder.string());
  source.model.head = description.head;
  const Index added = description.lora.new_tokens, end = description.vocab_size;
  check_input(added == 0 || (end - added <= source.vocab_size && source.vocab_size <= end),
              "{}: /trainable_token_indices: ends at {}, and the base model has {}; kiln reads rows of new tokens, "
              "in order at the end of the vocabulary",
              (folder / kAdapterConfigFile).string(), end, counted(source.vocab_size, "token"));
  source.vocab_size = std::max(source.vocab_size, end);
  source.config.reset();
  if (has_tokenizer(folder)) source.named = read_named_tokens(folder, source.vocab_size);
  source.folder = folder;
  return source;
}

ModelSource open_nested(const fs::path& argument, const std::optional<std::string>& choice, Verify verify, int nested) {
  check_input(nested < kMostNested,
              "{}: is the base of adapters that are the base of adapters, and so on; is it its own base?",
              argument.string());
  if (is_model_file(argument)) {
    check(!choice.has_value(), "{}: is a single model; --checkpoint is for run directories", argument.string());
    check_kind(argument);
    const ModelDescription description = read_llmc_description(argument);
    return {argument, description.model, description.vocab_size, std::nullopt, {}};
  }
  const fs::path folder = find_model_folder(argument, choice);
  if (is_checkpoint(folder)) {
    if (verify == Verify::yes) verify_checkpoint(folder);
    return open_checkpoint(folder, nested);
  }
  if (is_adapter_folder(folder)) return open_adapters(folder, nested);
  const ModelDescription description = read_huggingface_config(folder);
  check_config_against_weights(folder, description.model);
  return {.folder = folder,
          .model = description.model,
          .vocab_size = description.vocab_size,
          .config = std::nullopt,
          .named = description.named,
          .rewards = description.rewards};
}

}  // namespace

bool ModelSource::is_file() const { return is_model_file(folder); }

bool ModelSource::has_ids_alone() const { return is_model_file(text_folder()); }

void require_kind(const ModelSource& source, ModelKind kind) {
  const std::string name = source.folder.string();
  const bool scores = source.model.head == HeadKind::score;
  check(kind != ModelKind::language || !scores, "{}: is a reward model, which scores answers: use kiln score", name);
  check(kind != ModelKind::reward || scores,
        "{}: is a language model, which predicts tokens, and a reward model is expected; kiln train makes one from it "
        "with objective.type \"reward\"",
        name);
}

std::filesystem::path ModelSource::text_folder() const {
  const bool borrows = adapter && !adapter->base.empty() && !has_tokenizer(folder);
  return borrows ? open_model(adapter->base, std::nullopt, Verify::no).text_folder() : folder;
}

std::string model_name(const fs::path& argument) {
  std::string name = RunPaths{argument}.name();
  if (!step_of_checkpoint(name)) return name;
  const fs::path run = fs::weakly_canonical(argument).parent_path().parent_path();
  return RunPaths{run}.name() + "/" + name;
}

fs::path find_model_folder(const std::filesystem::path& argument, const std::optional<std::string>& choice) {
  const std::string name = argument.string();
  check(path_exists(argument), "{}: does not exist; {}", name, kExpectedModel);
  check(is_folder(argument), "{}: is a file; {}", name, kExpectedModel);
  if (is_folder(RunPaths{argument}.checkpoints())) return choose(argument, choice.value_or(""));
  if (!is_checkpoint(argument) && !is_adapter_folder(argument)) check_complete(argument);
  check(!choice.has_value(), "{}: is a single model; --checkpoint is for run directories", name);
  return argument;
}

ModelSource open_model(const std::filesystem::path& argument, const std::optional<std::string>& choice, Verify verify) {
  return open_nested(argument, choice, verify, 0);
}

}  // namespace kiln
