// kiln import: makes a run from another tool's model.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/model_loader.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/bpe_tokenizer.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <filesystem>
#include <memory>
#include <string>

namespace kiln::cli {
namespace {

struct ImportOptions {
  std::string path;
  std::string run;
  std::string tokenizer;
  bool overwrite = false;
  bool json = false;
};

/// Returns a run's config for a model that kiln has not trained.
Config config_of(const LoadedModel& model, const RunPaths& paths) {
  Config config;
  config.name = std::filesystem::weakly_canonical(paths.root).filename().string();
  config.model = model.source.model;
  config.data.validation_fraction = 0;  // there is no text
  config.tokenizer.type = value_of<TokenizerKind>(kTokenizerKinds, model.tokenizer->type());
  config.tokenizer.vocab_size = model.tokenizer->vocab_size();
  if (const auto* bpe = dynamic_cast<const BpeTokenizer*>(model.tokenizer.get()))
    config.tokenizer.pattern = bpe->pattern();
  config.tokenizer.special_tokens.clear();
  for (const SpecialToken& token : model.tokenizer->special_tokens()) {
    config.tokenizer.special_tokens.push_back(token.content);
  }
  config.tokenizer = with_names(config.tokenizer, *model.tokenizer, model.ids());
  config.train.resolve();
  return config;
}

void run_import(const ImportOptions& options) {
  check_not_within(options.path, options.run);
  const LoadedModel model =
      options.tokenizer.empty() ? load_model(options.path) : load_model_with_tokenizer(options.path, options.tokenizer);
  warn_if_diverged(model, options.path);
  RunDirectory run(options.run, options.overwrite ? OpenMode::overwrite : OpenMode::fresh);
  if (options.overwrite) run.clear();
  const Config config = config_of(model, run.paths());
  const SpecialIds ids = model.ids();
  TrainerState state;
  state.seed = config.seed;
  const Index parameters = model.model->layout.count();
  const Work work("writing weights", static_cast<double>(parameters), "parameters");
  const std::filesystem::path folder =
      save_checkpoint(run.paths().checkpoints(),
                      {.config = config,
                       .vocab_size = model.source.vocab_size,
                       .weights = model.weights->masters(),
                       .optimizer = {},
                       .tokenizer = tokenizer_files(*model.tokenizer, model.source.model, ids, chat_jinja_of(model)),
                       .state = state},
                      false, config.train.keep_checkpoints);
  spdlog::info("{}: {}, {} tokenizer with {}; in {}", options.path, counted(parameters, "parameter"),
               model.tokenizer->type(), counted(model.tokenizer->vocab_size(), "entry"), folder.string());
  if (!options.json) return;
  write_json({{"run", options.run},
              {"checkpoint", folder.string()},
              {"parameters", parameters},
              {"tokenizer", model.tokenizer->type()},
              {"vocab_size", model.tokenizer->vocab_size()}});
}

}  // namespace

void add_import(CLI::App& app) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command = app.add_subcommand("import", "Make a run from a model that another tool trained");
  command->add_option("PATH", options->path, "Hugging Face folder (GPT-2 or Llama family), or a model file of llm.c")
      ->required()
      ->type_name("PATH");
  command->add_option("--run", options->run, "run directory to create")->required()->type_name("DIR");
  command
      ->add_option("--tokenizer", options->tokenizer,
                   "tokenizer.json, or a folder with one or with vocab.json and merges.txt, in place of the model's "
                   "own; a file of llm.c has none")
      ->type_name("PATH");
  command->add_flag("--overwrite", options->overwrite, "replace an existing run");
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->footer(
      "kiln sample, eval, inspect and export take such a run, or the Hugging Face folder itself. Name either as "
      "init_from in\n"
      "a config to train it further.\n"
      "Example: kiln import gpt2_124M.bin --tokenizer gpt2/ --run runs/gpt2");
  command->callback([options] { run_import(*options); });
}

}  // namespace kiln::cli
