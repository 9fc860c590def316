// kiln train: from a config to a trained run.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/file_streams.h"
#include "kiln/core/format.h"
#include "kiln/core/json.h"
#include "kiln/core/log.h"
#include "kiln/core/shown_text.h"
#include "kiln/infer/complete.h"
#include "kiln/infer/prompt.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/config.h"
#include "kiln/run/run_directory.h"
#include "kiln/train/plan.h"
#include "kiln/train/trainer.h"

#include <nlohmann/json.hpp>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace kiln::cli {
namespace {

struct TrainOptions {
  std::string config;
  std::string run;
  std::vector<std::string> overrides;
  bool resume = false;
  bool overwrite = false;
  bool force_tokenizer = false;
  bool quiet = false;
  bool watches_samples = false;
  std::optional<std::string> prompt;  // of samples
  bool schema = false;
  bool reference = false;
  bool json = false;
};

OpenMode open_mode(const TrainOptions& options) {
  check(!(options.resume && options.overwrite),
        "--resume and --overwrite exclude each other: continue the run, or replace it?");
  if (options.resume) return OpenMode::resume;
  return options.overwrite ? OpenMode::overwrite : OpenMode::fresh;
}

/// The run's own log, each message whole or not there at all.
class LogFile final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogFile(const std::filesystem::path& path) : lines_(path) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);  // with a newline, which LineAppender adds
    lines_.append(std::string_view(text.data(), text.size() - 1));
  }
  void flush_() override {}

 private:
  LineAppender lines_;
};

/// From here on, what is logged goes to the run's own log too, with the time.
void log_to(const std::filesystem::path& path) {
  auto sink = std::make_shared<LogFile>(path);
  sink->set_pattern("%Y-%m-%d %H:%M:%S %l: %v");
  spdlog::default_logger()->sinks().push_back(std::move(sink));
}

/// The changes of the config, those that flags stand for among them.
std::vector<std::string> overrides_of(const TrainOptions& options) {
  std::vector<std::string> overrides = options.overrides;
  if (options.watches_samples) overrides.push_back("train.sample_at_evaluations=true");
  if (options.prompt) {
    const Json prompt = *options.prompt;  // quoted, so that no prompt is taken for a number
    overrides.push_back("train.sample_prompt=" + prompt.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return overrides;
}

/// What the model writes at this point of the training.
std::string sample(const Preparation& p) {
  CompletionOptions options;
  options.generation.max_tokens = kSampleTokens;
  options.generation.seed = p.config.seed;
  const std::string& text = p.config.train.sample_prompt;
  const SpecialIds ids = special_ids(*p.tokenizer, p.named_ids);
  options.generation.end_token = ids.end;
  const std::vector<TokenId> prompt = encode_prompt(*p.tokenizer, text, SpecialTokens::as_text, ids.begin);
  const auto completions = complete(*p.model, *p.weights, *p.tokenizer, prompt, options);
  return text + completions.front().text;
}

/// Throws Error (usage) where samples are wanted but the tokenizer cannot encode their prompt: now rather than at the
/// first of them.
void check_sample_prompt(const Preparation& p) {
  const TrainConfig& train = p.config.train;
  if (train.sample_every > 0 || train.sample_at_evaluations) encode_prompt(*p.tokenizer, train.sample_prompt);
}

void introduce(const Preparation& p, const RunPaths& paths) {
  const ParameterCounts counts = ParameterCounts::of(p.model->layout);
  spdlog::info("{}: {} ({} without the token embedding), {}, {} held out", paths.root.string(),
               counted(counts.total, "parameter"), format_count(counts.total_without_token_embedding),
               counted(p.data.train.size(), "training token"), format_count(p.data.validation.size()));
}

void say_finished(const Preparation& p, const std::string& root) {
  if (const auto& budget = p.config.train.time_budget; budget && p.horizon.is_reached()) {
    spdlog::info("{}: the time budget of {} is used up; raise train.time_budget to go on", root,
                 format_duration(budget->seconds));
  } else if (p.horizon.is_reached()) {
    const auto steps = static_cast<std::int64_t>(p.horizon.total_steps());
    spdlog::info("{}: finished after {}; raise train.steps to go on", root, counted(steps, "step"));
  } else {
    spdlog::info(
        "{}: stopped early at step {}, after {} without a better validation loss; raise train.early_stopping to go on",
        root, p.state.step, counted(p.state.evaluations_since_best, "evaluation"));
  }
}

/// Where the run stands when training ends.
Json to_json(const Preparation& p, const std::filesystem::path& root, int code) {
  const TrainerState& state = p.state;
  return {{"run", root.string()},
          {"finished", p.is_finished()},
          {"exit_code", code},
          {"step", state.step},
          {"total_steps", or_null(state.total_steps)},
          {"tokens", state.tokens},
          {"seconds", state.seconds},
          {"parameters", p.model->layout.count()},
          {"validation_loss", or_null(state.validation_loss)},
          {"best_validation_loss", or_null(state.best_loss)},
          {"best_step", state.best_loss ? Json(state.best_step) : Json()},
          {"bad_steps", state.bad_steps}};
}

/// Before a run that is found finished is left alone: a kill may have come after its last save, but before the rest.
void recover_from_crash(const Preparation& p, const RunPaths& paths) {
  if (!p.resumed_from) return;
  const std::optional<std::int64_t> best = p.state.best_loss ? std::optional(p.state.best_step) : std::nullopt;
  recover(paths.checkpoints(), *p.resumed_from, best, p.config.train.keep_checkpoints);
}

/// The inside of a shell's $'...', byte by byte where the text is not plain.
std::string escaped_for_shell(std::string_view word) {
  std::string escaped;
  for (const char c : word) {
    const bool is_plain = c >= ' ' && c <= '~' && c != '\'' && c != '\\';
    escaped += is_plain ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return escaped;
}

/// A word as a shell reads it back; escapes stand for what a terminal would obey.
std::string shell_quoted(std::string_view word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  if (printable(word) != word) return "$'" + escaped_for_shell(word) + "'";
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

/// The command that goes on with a run.
std::string resuming_command(const TrainOptions& options) {
  std::string command = "kiln train " + shell_quoted(options.config);
  if (!options.run.empty()) command += " --run " + shell_quoted(options.run);
  command += options.force_tokenizer ? " --resume --force-tokenizer" : " --resume";
  for (const std::string& assignment : options.overrides) command += " --set " + shell_quoted(assignment);
  if (options.watches_samples) command += " --watch-samples";
  if (options.prompt) command += " --prompt " + shell_quoted(*options.prompt);
  return command;
}

void run_train(const TrainOptions& options) {
  if (options.schema) return write_stdout(format_json(config_schema()));
  if (options.reference) return write_stdout(config_reference());
  check(!options.config.empty(), "kiln train needs a config: kiln train CONFIG (kiln train --help)");
  if (options.quiet) spdlog::set_level(spdlog::level::warn);

  const ConfigFile file(options.config, overrides_of(options));
  const std::filesystem::path root = options.run.empty() ? "runs/" + file.name() : options.run;
  const std::filesystem::path resumed = RunPaths{root}.config();
  const bool goes_on = options.resume && path_exists(resumed);
  const Config config = file.config(Purpose::train, goes_on ? std::optional(resumed) : std::nullopt);
  const bool samples = config.train.sample_every > 0 || config.train.sample_at_evaluations;
  check(samples || !options.prompt, "--prompt is for samples, and the config asks for none; add --watch-samples");
  if (options.overwrite && config.init_from) check_not_within(config.locate(*config.init_from), root);
  RunDirectory run(root, open_mode(options));
  const RunPaths& paths = run.paths();

  const std::unique_ptr<Preparation> preparation = prepare(config, paths, options.resume, options.force_tokenizer);
  recover_from_crash(*preparation, paths);
  if (preparation->is_finished()) {
    say_finished(*preparation, root.string());
    if (options.json) write_json(to_json(*preparation, root, 0));
    return;
  }
  check_sample_prompt(*preparation);
  if (options.overwrite) run.clear();  // not before: a config that cannot be trained costs nobody a run
  log_to(paths.log());
  write_file_atomically(paths.config(), format_json(config_to_json(preparation->config)));
  truncate_metrics(paths.metrics(), preparation->state.step);
  introduce(*preparation, paths);
  const int code = Trainer(*preparation, paths, options.quiet, sample).run();
  spdlog::info("the run is in {}", root.string());
  if (code != 0) log_lines(spdlog::level::info, "to go on:\n  " + resuming_command(options));
  if (options.json) write_json(to_json(*preparation, root, code));
  if (code != 0) throw ExitWith{code};
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command = app.add_subcommand("train", "Train a model as a config says");
  command->add_option("CONFIG", options->config, "JSON file; its keys are printed by --reference");
  command->add_option("--run", options->run, "run directory; runs/NAME of the config where it is not given");
  command->add_flag("--resume", options->resume,
                    "go on from the latest valid checkpoint, or begin where there is none");
  command->add_flag("--force-tokenizer", options->force_tokenizer,
                    "resume with the checkpoint's tokenizer where the file that the config names has changed");
  command->add_flag("--overwrite", options->overwrite, "replace a run that exists");
  add_repeated(*command, "--set", options->overrides,
               "change a key of the config; VALUE is JSON, or a word; may be repeated")
      ->type_name("KEY.PATH=VALUE");
  command->add_flag("--watch-samples", options->watches_samples, "print a sample at every evaluation");
  command->add_option("--prompt", options->prompt, "text that samples continue, in place of train.sample_prompt")
      ->type_name("TEXT");
  command->add_flag("--quiet", options->quiet, "print only warnings and errors");
  command->add_flag("--schema", options->schema, "print the JSON Schema of configs");
  command->add_flag("--reference", options->reference, "print the reference of configs, in Markdown");
  add_json_flag(*command, options->json);
  command->footer("Example: kiln train configs/quickstart.json --run runs/try --set train.steps=200");
  command->callback([options] { run_train(*options); });
}

}  // namespace kiln::cli
