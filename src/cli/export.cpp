// kiln export: writes a trained model as files for other programs.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/interop/gguf_model.h"
#include "kiln/interop/gguf_tokenizer.h"
#include "kiln/interop/llmc.h"
#include "kiln/interop/unsupported.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/model_loader.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/document.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <array>
#include <memory>
#include <system_error>

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

struct ExportOptions {
  ModelArguments model;
  std::string target;
  std::string output;
  std::string type{"f32"};
  bool overwrite = false;
  bool json = false;
  bool omits_tied_head = false;
  bool merges = false;  // adapters into their base; without adapters nothing is written
};

/// A model to export, and how.
struct ExportJob {
  LoadedModel loaded;
  DataType type;
  TiedHead tied_head = TiedHead::stored;
  std::string name;  // of the model

  const ModelConfig& model() const { return loaded.model->config(); }
  Index vocab_size() const { return loaded.model->vocab_size(); }
  ParameterBuffer<float>& weights() const { return loaded.weights->masters(); }
};

std::vector<std::string> nothing_unsupported(const ExportJob&) { return {}; }

std::vector<std::string> unsupported_by_gguf(const ExportJob& job) {
  std::vector<std::string> reasons = gguf_unsupported(job.model());
  std::ranges::move(gguf_unsupported(*job.loaded.tokenizer, job.vocab_size()), std::back_inserter(reasons));
  return reasons;
}

std::vector<std::string> unsupported_by_llmc(const ExportJob& job) {
  std::vector<std::string> reasons = llmc_unsupported(job.model());
  if (job.type == DataType::f16) reasons.emplace_back("llm.c's model files hold f32 or bf16, not f16");
  return reasons;
}

void warn(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
}

void write_huggingface(const fs::path& path, ExportJob& job) {
  if (family_of(job.model()) == Family::kiln)
    spdlog::warn("transformers has no class for this architecture (model_type \"kiln\"); kiln reads the folder");
  warn(insertion_warnings(*job.loaded.tokenizer, {kStart, kEndOfSentence, kParagraph}, "transformers"));
  write_huggingface_folder(
      path, job.model(), job.vocab_size(), job.weights(),
      tokenizer_files(*job.loaded.tokenizer, job.model(), job.loaded.ids(), chat_jinja_of(job.loaded)),
      {.type = job.type, .rewards = job.loaded.source.rewards});
}

void write_gguf(const fs::path& path, ExportJob& job) {
  warn(gguf_warnings(*job.loaded.tokenizer, job.loaded.ids()));
  write_gguf_model(path, job.name, job.model(), job.vocab_size(), std::move(job.weights()), *job.loaded.tokenizer,
                   job.loaded.ids(), job.type, job.tied_head, chat_jinja_of(job.loaded));
}

void write_llmc(const fs::path& path, ExportJob& job) {
  write_llmc_model(path, job.model(), job.vocab_size(), job.weights(), job.type);
}

/// A format to export to, as a folder or a file.
struct ExportTarget {
  std::string_view name;
  bool folder;
  std::vector<std::string> (*unsupported)(const ExportJob&);
  void (*write)(const fs::path&, ExportJob&);
};
constexpr std::array<ExportTarget, 3> kExportTargets{{{"hf", true, nothing_unsupported, write_huggingface},
                                                      {"gguf", false, unsupported_by_gguf, write_gguf},
                                                      {"llmc", false, unsupported_by_llmc, write_llmc}}};

struct ExportType {
  std::string_view name;
  DataType type;
};
constexpr std::array<ExportType, 3> kExportTypes{
    {{"f32", DataType::f32}, {"f16", DataType::f16}, {"bf16", DataType::bf16}}};

template <class Entries>
std::vector<std::string> names_in(const Entries& entries) {
  std::vector<std::string> names;
  for (const auto& entry : entries) names.emplace_back(entry.name);
  return names;
}

/// Returns true if an export may have written a file of this name in a folder.
bool is_exported(const std::string& name) {
  constexpr std::array<std::string_view, 6> kNames{kModelConfigFile,        kGenerationConfigFile, kTokenizerFile,
                                                   "tokenizer_config.json", kChatTemplateFile,     kWeightsIndex};
  const bool weights = name.starts_with("model") && name.ends_with(".safetensors");
  return weights || std::ranges::find(kNames, name) != kNames.end();
}

/// Throws Error (usage) if the output would replace something that must not be replaced, or its folder is missing.
void check_place(const fs::path& output, bool folder, bool overwrite) {
  const std::string name = output.string();
  const fs::path parent = output.has_parent_path() ? output.parent_path() : fs::path(".");
  check(is_folder(parent), "--output {}: there is no folder {}", name, parent.string());
  std::error_code error;
  if (!path_exists(output)) {
    check(!folder || !fs::is_symlink(output, error), "--output {}: is a broken link; remove it, or choose another name",
          name);
    return;
  }
  check(is_folder(output) == folder && (folder || fs::is_regular_file(output, error)),
        "--output {}: exists and is not a {}; choose another name", name, folder ? "folder" : "file");
  const std::vector<fs::path> inside = list_folder(output);  // empty for a file
  check(overwrite || (folder && inside.empty()), "--output {}: exists already; --overwrite replaces it", name);
  for (const fs::path& path : inside) {
    const std::string held = path.filename().string();
    check(
        is_exported(held),
        "--output {}: holds {}, which does not belong to an exported model; kiln would delete it with the folder. Name "
        "another folder, or move {} elsewhere",
        name, held, held);
  }
}

/// Writes to a temporary beside the output, and renames it when it is complete.
template <class Write>
void write_in_place(const fs::path& output, bool folder, Write&& write) {
  const fs::path temporary = output.parent_path() / fmt::format("{}{}", kTemporaryPrefix, output.filename().string());
  std::error_code error;
  fs::remove_all(temporary, error);  // left by a crash
  try {
    if (folder) fs::create_directory(temporary, error);
    check_io(!error, "{}: cannot be made: {}", temporary.string(), error.message());
    write(temporary);
    if (folder) sync_directory(temporary);
    folder ? replace_directory(temporary, output) : replace_file(temporary, output);
  } catch (...) {
    std::error_code ignored;  // report the first failure
    fs::remove_all(temporary, ignored);
    throw;
  }
}

/// Returns the bytes of a file, or of the files in a folder.
std::uintmax_t bytes_at(const fs::path& path) {
  if (!is_folder(path)) return fs::file_size(path);
  std::uintmax_t bytes = 0;
  for (const fs::path& file : list_folder(path)) bytes += fs::file_size(file);
  return bytes;
}

ExportJob prepare_export(const ExportOptions& options, DataType type) {
  ModelSource opened = options.model.open();
  check(!options.merges || opened.adapter,
        "{}: has no adapters to merge; kiln export --to hf writes the model as it is", options.model.run);
  ExportJob job{.loaded = ModelArguments::load_in_float(std::move(opened), ModelKind::either),
                .type = type,
                .tied_head = options.omits_tied_head ? TiedHead::left_out : TiedHead::stored,
                .name = {}};
  warn_if_diverged(job.loaded, options.model.run);
  const ModelSource& source = job.loaded.source;
  job.name = source.config ? source.config->name : fs::weakly_canonical(source.folder).filename().string();
  return job;
}

void run_export(const ExportOptions& options) {
  const ExportTarget& target = *std::ranges::find(kExportTargets, options.target, &ExportTarget::name);
  const DataType type = std::ranges::find(kExportTypes, options.type, &ExportType::name)->type;
  check(!options.omits_tied_head || options.target == "gguf",
        "--omit-tied-head is for --to gguf; --to {} stores a tied head once in any case", options.target);
  fs::path output = options.output;
  if (!output.has_filename()) output = output.parent_path();  // of "folder/"
  check(!output.empty(), "--output is empty; a {} to write is expected", target.folder ? "folder" : "file");
  if (target.folder && path_exists(output)) {
    output = fs::canonical(output);  // a link stays; its target folder is replaced
    check(output != fs::current_path(),
          "--output {}: is the working directory, which cannot be replaced; run kiln from another directory",
          options.output);
  }
  check_place(output, target.folder, options.overwrite);
  ExportJob job = prepare_export(options, type);
  check(!options.omits_tied_head || job.model().tie_embeddings,
        "--omit-tied-head: the head of {} is a matrix of its own (model.tie_embeddings false) and cannot be left out",
        options.model.run);
  const std::optional<AdapterSource>& adapter = job.loaded.source.adapter;
  std::error_code missing;
  check(!adapter || !fs::equivalent(output, adapter->base, missing),
        "--output {}: is the base model of these adapters, which need it as it is; choose another name",
        options.output);
  const std::vector<std::string> reasons = target.unsupported(job);
  if (!reasons.empty()) {
    std::vector<std::string> lines{fmt::format("{}: --to {} cannot hold this model:", options.model.run, target.name)};
    for (const std::string& reason : reasons) lines.push_back("  " + reason);
    lines.emplace_back("--to hf takes every model");
    fail_lines(ExitCode::usage, lines);
  }
  const Index parameters = job.loaded.model->layout.count();
  {
    const Work work("writing weights", static_cast<double>(parameters), "parameters");
    write_in_place(output, target.folder, [&](const fs::path& path) { target.write(path, job); });
  }
  spdlog::info("{}: {} as {}", options.output, counted(parameters, "parameter"), options.type);
  if (!options.json) return;
  write_json({{"output", options.output},
              {"format", options.target},
              {"dtype", options.type},
              {"parameters", parameters},
              {"bytes", bytes_at(output)}});
}

}  // namespace

void add_export(CLI::App& app) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App* command = app.add_subcommand("export", "Write a model for transformers, llama.cpp or llm.c");
  options->model.add_to(*command);
  add_choice(*command, "--to", options->target, names_in(kExportTargets),
             "hf: a Hugging Face folder; gguf: llama.cpp's file; llmc: llm.c's file, which has no tokenizer")
      ->required();
  command->add_option("--output", options->output, "folder (hf) or file (gguf, llmc) to write")
      ->required()
      ->type_name("PATH");
  add_choice(*command, "--dtype", options->type, names_in(kExportTypes),
             "type of the weights (gguf: of the matrices; llmc has no f16)");
  command->add_flag("--overwrite", options->overwrite, "replace an export that exists");
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->add_flag("--omit-tied-head", options->omits_tied_head,
                    "gguf of a GPT-2 with tied embeddings: leave out output.weight, a second copy of the embedding; "
                    "llama.cpp reads such files since March 2025");
  command->footer(
      "If the other program would compute something else, kiln refuses and lists every reason.\n"
      "Example: kiln export runs/tales --to gguf --output tales.gguf --dtype f16");
  command->callback([options] { run_export(*options); });
}

void add_merge(CLI::App& app) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App* command = app.add_subcommand("merge", "Add a run's adapters to its base model, and write the whole model");
  options->model.add_to(*command);
  options->target = "hf";
  options->merges = true;
  command->add_option("--output", options->output, "Hugging Face folder to write")->required()->type_name("DIR");
  add_choice(*command, "--dtype", options->type, names_in(kExportTypes), "type of the weights");
  command->add_flag("--overwrite", options->overwrite, "replace a folder that exists");
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->footer(
      "Every command reads a run of adapters as the merged model: this one is for programs that do not.\n"
      "Example: kiln merge runs/lora --output merged");
  command->callback([options] { run_export(*options); });
}

}  // namespace kiln::cli
