// kiln train: trains a run from a config.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/json.h"
#include "kiln/core/line_process.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/threads.h"
#include "kiln/interop/peft.h"
#include "kiln/run/config.h"
#include "kiln/run/run_directory.h"
#include "kiln/train/finetune.h"
#include "kiln/train/training_run.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/finetune.h"
#include "cli/log.h"
#include "cli/output.h"
#include "cli/ranks.h"
#include "cli/stop_signals.h"
#include "cli/training_view.h"
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {
namespace {

constexpr std::string_view kResume = "true", kResumeAuto = "auto";  // values of --resume and --resume=auto in CLI11

struct TrainOptions {
  std::string config;
  std::string init_from;  // a model to finetune if there is no config; else, like the next two, an override
  std::vector<std::string> data;
  std::optional<std::string> time;
  std::string run;
  std::vector<std::string> overrides;
  std::string resume;  // kResume, kResumeAuto or empty
  bool overwrite = false;
  ResumeOptions resuming;
  bool quiet = false;
  bool allows_command = false;
  bool watches_samples = false;
  std::optional<std::string> prompt;  // of samples
  bool schema = false;
  bool reference = false;
  bool json = false;
};

bool resumes(const TrainOptions& options) { return !options.resume.empty(); }

OpenMode open_mode(const TrainOptions& options) {
  if (resumes(options)) return OpenMode::resume;
  return options.overwrite ? OpenMode::overwrite : OpenMode::fresh;
}

void check_options(const TrainOptions& options) {
  const bool resume = resumes(options);
  check(!resume || options.resume == kResume || options.resume == kResumeAuto,
        "--resume={}: --resume or --resume=auto is expected", options.resume);
  check(!(resume && options.overwrite),
        "--resume and --overwrite exclude each other: continue the run, or replace it?");
  check(resume || !options.resuming.retokenize, "--retokenize is for --resume: a new run tokenizes its text");
  if (!options.config.empty()) return;
  std::string data;
  for (const std::string& name : options.data) data += " " + shell_quoted(name);
  if (options.init_from.empty()) {
    check(!options.data.empty(),
          "kiln train needs a config: kiln train CONFIG; kiln new --data FILES writes one for a text");
    fail_lines(ExitCode::usage,
               {"kiln train needs a config; to write one for this text and train:",
                fmt::format("  kiln new --data{} && kiln train {}.json", data, name_of_path(options.data.front())),
                "to finetune a model on it:", fmt::format("  kiln train --init-from RUN --data{}", data)});
  }
  check(!options.data.empty(), "--init-from {}: needs a text to train on; name it with --data FILES",
        options.init_from);
}

/// Returns the overrides of the config, including those from flags.
std::vector<std::string> overrides_of(const TrainOptions& options) {
  std::vector<std::string> overrides;
  const auto set = [&](std::string_view key, const Json& value) {
    overrides.push_back(fmt::format("{}={}", key, value.dump(-1, ' ', false, Json::error_handler_t::replace)));
  };
  if (!options.init_from.empty() && !options.config.empty()) set("init_from", options.init_from);
  if (!options.data.empty()) set("data.train", options.data);
  if (options.time) set("train.time_budget", *options.time);
  overrides.insert(overrides.end(), options.overrides.begin(), options.overrides.end());
  if (options.watches_samples) overrides.push_back("train.sample_at_evaluations=true");
  if (options.prompt) set("train.sample_prompt", *options.prompt);  // quoted, so that no prompt is read as a number
  return overrides;
}

void say_finished(const TrainingRun& run, const std::string& root) {
  const TrainConfig& train = run.config().train;
  if (train.time_budget && run.training_length().is_reached()) {
    spdlog::info("{}: the time budget of {} is used up; raise train.time_budget to continue", root,
                 format_duration(train.time_budget->seconds));
  } else if (run.training_length().is_reached()) {
    const std::string_view key = train.epochs ? "train.epochs" : "train.steps";
    const auto steps = static_cast<std::int64_t>(run.training_length().total_steps());
    if (run.state().step > steps) {
      spdlog::warn("{}: is at step {}, and {} ends it at {}; nothing is trained; raise {} to continue", root,
                   format_count(run.state().step), key, format_count(steps), key);
    } else {
      spdlog::info("{}: finished after {}; raise {} to continue", root, counted(steps, "step"), key);
    }
  } else {
    spdlog::info(
        "{}: stopped early at step {}, after {} without a better validation loss; raise train.early_stopping to "
        "continue",
        root, run.state().step, counted(run.state().evaluations_since_best, "evaluation"));
  }
}

/// Returns the state of the run at the end of training, as JSON.
Json to_json(const TrainingRun& run, int code) {
  const TrainerState& state = run.state();
  const bool is_policy = is_of_policy(run.config().objective.type);  // whose loss is minus a reward
  return {{"run", run.paths().root.string()},
          {"finished", run.is_finished()},
          {"exit_code", code},
          {"step", state.step},
          {"total_steps", or_null(state.total_steps)},
          {"tokens", state.tokens},
          {"seconds", state.seconds},
          {"parameters", run.layout().count()},
          {"validation_loss", is_policy ? Json() : or_null(state.validation_loss)},
          {"best_validation_loss", is_policy ? Json() : or_null(state.best_loss)},
          {"best_reward", is_policy && state.best_loss ? Json(-*state.best_loss) : Json()},
          {"best_step", state.best_loss ? Json(state.best_step) : Json()},
          {"bad_steps", state.bad_steps}};
}

/// Returns the programs that a config names as rewards, quoted for a shell.
std::vector<std::string> programs_of(const Config& config) {
  std::vector<std::string> programs;
  if (!is_of_policy(config.objective.type)) return programs;
  for (const auto* rewards : {&config.policy.rewards, &config.policy.gold}) {
    for (const RewardConfig& reward : *rewards) {
      if (reward.type == RewardKind::command) programs.push_back(shown_command(reward.command));
    }
  }
  return programs;
}

/// Returns the command that continues a run. The run's config includes the options' settings.
std::string resuming_command(const TrainOptions& options, const Config& config, const std::filesystem::path& root) {
  return fmt::format("kiln train {} --resume{}", shell_quoted(root.string()),
                     std::string(options.resuming.force_tokenizer ? " --force-tokenizer" : "") +
                         (programs_of(config).empty() ? "" : " --allow-command"));
}

bool holds_model(const std::filesystem::path& folder) {
  const auto holds = [&](std::string_view name) { return path_exists(folder / name); };
  return holds(kWeightsFile) || holds(kWeightsIndex) || holds(kAdapterWeightsFile);
}

/// Refuses a path within a run's checkpoints, and names the command that resumes the run.
void check_no_checkpoint(const std::string& config) {
  std::filesystem::path inner = std::filesystem::path(config).lexically_normal();
  if (inner.extension() == ".json") return;
  for (; inner.has_relative_path(); inner = inner.parent_path()) {
    const std::filesystem::path run = inner.has_parent_path() ? inner.parent_path() : ".";
    if (inner.filename() != RunPaths{}.checkpoints() || !is_run_directory(run)) continue;
    std::vector<std::string> lines{fmt::format("{}: belongs to the run {}; to continue it:", config, run.string()),
                                   fmt::format("  kiln train {} --resume", shell_quoted(run.string()))};
    if (holds_model(config)) {
      lines.emplace_back("to train another run from this checkpoint on:");
      lines.push_back(fmt::format("  kiln train --init-from {} --data FILES", shell_quoted(config)));
    }
    fail_lines(ExitCode::usage, lines);
  }
}

/// Returns the commands that continue the runs in a folder, or some of many.
std::vector<std::string> commands_for_runs_in(const std::string& folder) {
  constexpr std::size_t kMostNamed = 10;
  std::vector<std::string> commands;
  for (const std::filesystem::path& path : list_folder(folder)) {
    if (is_run_directory(path))
      commands.push_back(fmt::format("  kiln train {} --resume", shell_quoted(path.string())));
  }
  if (commands.size() > kMostNamed) {
    commands.resize(kMostNamed);
    commands.push_back(fmt::format("  (kiln runs {} lists them all)", shell_quoted(folder)));
  }
  return commands;
}

/// Refuses a folder that is not a run. Names the commands that continue the runs in it, or that train on its texts or
/// its model.
void check_no_folder(const std::string& config) {
  const std::filesystem::path path = config;
  if (!is_folder(path)) return;
  const std::string quoted = shell_quoted(config);
  if (holds_model(path)) {
    fail_lines(ExitCode::usage, {fmt::format("{}: is a model, not a run directory; to train it further:", config),
                                 fmt::format("  kiln train --init-from {} --data FILES", quoted)});
  }
  if (path_exists(RunPaths{path}.config())) return;
  std::vector<std::string> lines = commands_for_runs_in(config);
  const bool holds_runs = !lines.empty();
  const std::string_view advice = "to write a config for its texts and train:";
  lines.insert(lines.begin(), fmt::format("{}: is a folder, but not a run directory; {}", config,
                                          holds_runs ? "to continue a run in it:" : advice));
  if (holds_runs) lines.emplace_back(advice);
  lines.push_back(fmt::format("  kiln new --data {} && kiln train {}.json", quoted, name_of_path(config)));
  fail_lines(ExitCode::usage, lines);
}

/// Throws Error (usage) if the config is a text; the message names the commands that train on it.
void check_no_text(const TrainOptions& options, const ConfigFile& file) {
  const std::filesystem::path path = options.config;
  std::error_code ignored;
  const std::size_t first = file.text().find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const bool is_object = first != std::string::npos && file.text()[first] == '{';
  const bool is_config = path.extension() == ".json" || (is_object && path.extension() != ".jsonl");
  if (is_config || !std::filesystem::is_regular_file(path, ignored)) return;
  fail_lines(ExitCode::usage,
             {fmt::format("{}: is not a config (a JSON object); to write one for a text and train:", options.config),
              fmt::format("  kiln new --data {} && kiln train {}.json", shell_quoted(options.config),
                          name_of_path(options.config))});
}

/// Returns the named config, or one chosen for finetuning; for a resumed finetuning the run's own.
ConfigFile config_file(const TrainOptions& options) {
  const std::vector<std::string> overrides = overrides_of(options);
  if (!options.config.empty()) {
    check_no_checkpoint(options.config);
    check_no_folder(options.config);
    ConfigFile file(options.config, overrides);
    check_no_text(options, file);
    return file;
  }
  const std::string name = finetuning_name(options.init_from, options.data.front());
  const std::filesystem::path root = options.run.empty() ? "runs/" + name : options.run;
  if (resumes(options) && path_exists(RunPaths{root}.config())) return ConfigFile(root, overrides);
  check(options.resume != kResume, "{}: there is no run to resume; --resume=auto starts one", root.string());
  DataConfig data;
  data.train = options.data;
  Finetuning finetuning = [&] {
    const MutedMessages muted;  // the training reads the same data, and reports it
    return choose_finetuning(options.init_from, data, options.time);
  }();
  const auto chosen = [&] {
    return ConfigFile::of(finetuning_json(finetuning, options.time), "--init-from", overrides);
  };
  if (chosen().config().model.lora.is_on()) choose_adapter_rate(finetuning);
  spdlog::info("{}", finetuning_summary(finetuning));
  return chosen();
}

/// Logs which keys of CONFIG a resumed run ignores.
void tell_kept(const std::string& config, const std::vector<Difference>& kept) {
  for (const Difference& d : kept)
    spdlog::info("{}: {} is {}; the run keeps its {} (--set changes it)", config, d.pointer, d.before, d.after);
}

/// Returns the run directory: the given one, or the run given as config, or runs/NAME.
std::filesystem::path root_of(const TrainOptions& options, const ConfigFile& file) {
  const bool is_run = is_folder(options.config);
  std::error_code ignored;
  check(options.run.empty() || !is_run || std::filesystem::equivalent(options.config, options.run, ignored),
        "{}: is a run directory, and --run names another; to start a new run with its config, name {}/config.json",
        options.config, options.config);
  if (is_run) return options.config;
  if (!options.run.empty()) return options.run;
  const std::filesystem::path named = "runs/" + file.name();
  return resumes(options) && file.run() && !path_exists(named) ? *file.run() : named;
}

/// Refuses to start programs that a run directory names, unless --allow-command: it may come from somebody else.
void check_programs(const TrainOptions& options, const Config& config, const std::filesystem::path& root) {
  const std::vector<std::string> programs = programs_of(config);
  if (options.allows_command || programs.empty()) return;
  fail(ExitCode::usage, "{}: its rewards start {}: {}; add --allow-command if that is what you want", root.string(),
       programs.size() == 1 ? "a program" : "programs", fmt::join(programs, "; "));
}

/// Returns true if the config is a file of a run directory.
bool is_of_run(const std::string& config) {
  const std::filesystem::path folder = std::filesystem::path(config).parent_path();
  return !config.empty() && is_run_directory(folder.empty() ? "." : folder);
}

/// Returns the exit code of a training: that of the signal that ended it, on whichever rank.
int exit_code(TrainingEnd end, std::optional<int> signal, World& world) {
  if (end != TrainingEnd::stopped) return 0;
  const std::vector<int> signals = world.gather(signal.value_or(0));
  return kSignalExitBase + *std::ranges::max_element(signals);
}

/// Ends a training at a signal.
class SilentMonitor final : public TrainingMonitor {
 public:
  std::optional<int> signal() const { return signals_.received(); }
  bool should_stop() override { return signal().has_value(); }

 private:
  StopSignals signals_;
};

/// Trains on a rank that is not the root, which shows the training and writes its files.
void follow(TrainingRun& run, World& world) {
  if (run.is_finished()) return;
  SilentMonitor monitor;
  const TrainingEnd end = run.train(monitor);
  if (const int code = exit_code(end, monitor.signal(), world); code != 0) throw ExitWith{code};
}

void run_train(const TrainOptions& options) {
  if (options.schema) return write_stdout(format_json(config_schema()));
  if (options.reference) return write_stdout(config_reference());
  check_options(options);
  if (options.quiet) spdlog::set_level(spdlog::level::warn);
  watch_stop_signals();  // before any thread starts
  World& world = join_ranks();

  const ConfigFile file = config_file(options);
  const std::filesystem::path root = root_of(options, file);
  const bool is_file = path_exists(root) && !is_folder(root);  // which opening the run refuses
  check(options.resume != kResume || is_run_directory(root) || is_file,
        "{}: there is no run to resume; leave --resume out to start one, or use --resume=auto, which resumes a run if "
        "there is one and else starts it",
        root.string());
  const std::filesystem::path resumed = RunPaths{root}.config();
  const bool goes_on = resumes(options) && path_exists(resumed);
  const Config config = file.config(Purpose::train, goes_on ? std::optional(resumed) : std::nullopt);
  if (goes_on) tell_kept(options.config, file.kept_by_run(resumed));
  if (goes_on || file.run() || is_of_run(options.config)) check_programs(options, config, root);
  check(config.train.samples() || !options.prompt,
        "--prompt is for samples, and the config asks for none; add --watch-samples");
  if (options.overwrite && config.init_from) check_not_within(config.locate(*config.init_from), root);

  set_threads(config.train.threads);
  std::error_code ignored;
  const bool is_own = file.run() && std::filesystem::equivalent(*file.run(), root, ignored);
  TrainingRun run(config, root,
                  {.mode = open_mode(options),
                   .resume = options.resuming,
                   .given = is_own ? std::nullopt : std::optional(file.text()),
                   .world = &world});
  if (!world.is_root()) return follow(run, world);
  if (run.is_finished()) {
    say_finished(run, root.string());
    if (options.json) write_json(to_json(run, 0));
    return;
  }
  TrainingView view(run, {options.quiet, !options.json});
  const TrainingEnd end = run.train(view);
  view.conclude(end);
  const int code = exit_code(end, view.signal(), world);
  spdlog::info("the run is in {}", root.string());
  if (code != 0)
    log_lines(spdlog::level::info,
              "to continue:\n"
              "  " +
                  resuming_command(options, run.config(), root));
  if (options.json) write_json(to_json(run, code));
  if (code != 0) throw ExitWith{code};
}

/// Adds the options that finetune without a config, and override a given one.
void add_shortcuts(CLI::App& command, TrainOptions& options) {
  command
      .add_option("--init-from", options.init_from,
                  "model to start from: a run, a checkpoint, a Hugging Face folder or a file of llm.c; without CONFIG, "
                  "kiln chooses settings that suit model, text and machine")
      ->type_name("PATH");
  add_repeated(command, "--data", options.data, "text to train on: files, folders or globs (data.train)")
      ->allow_extra_args()
      ->type_name("FILE");
  command.add_option("--for", options.time, "how long to train (train.time_budget)")->type_name("DURATION");
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command = app.add_subcommand("train", "Train a model from a config");
  command
      ->add_option("CONFIG", options->config,
                   "JSON file (--reference prints its keys), or a run directory, to continue it (--resume) or repeat "
                   "it (--overwrite)")
      ->type_name("CONFIG");
  add_shortcuts(*command, *options);
  command->add_option("--run", options->run, "run directory; default: runs/NAME, by the config's name")
      ->type_name("DIR");
  command
      ->add_flag("--resume", options->resume,
                 "continue a run from its latest valid checkpoint, or from step 0 if it has none; =auto: resume the "
                 "run if there is one, else start it")
      ->option_text("[=auto]")
      ->disable_flag_override(false);
  command->add_flag("--retokenize", options->resuming.retokenize,
                    "read the text again on a resume; by default the run keeps its tokens");
  command->add_flag("--force-tokenizer", options->resuming.force_tokenizer,
                    "resume with the checkpoint's tokenizer if the file that the config names has changed");
  command->add_flag("--allow-command", options->allows_command,
                    "let the config of a run directory start the programs that it names as rewards");
  command->add_flag("--overwrite", options->overwrite, "replace an existing run");
  add_repeated(*command, "--set", options->overrides,
               "change a key of the config; VALUE is JSON or a word; may be repeated")
      ->type_name("KEY.PATH=VALUE");
  command->add_flag("--watch-samples", options->watches_samples, "print a sample at every evaluation");
  command->add_option("--prompt", options->prompt, "text that samples continue, in place of train.sample_prompt")
      ->type_name("TEXT");
  command->add_flag("--quiet", options->quiet, "print only warnings and errors");
  command->add_flag("--schema", options->schema, "print the JSON Schema of configs");
  command->add_flag("--reference", options->reference, "print the reference of configs, in Markdown");
  add_json_flag(*command, options->json);
  command->footer(
      "A resumed run keeps its config, including every earlier --set. Changes of CONFIG since the last start override "
      "it, and\n"
      "--set overrides both.\n"
      "Examples: kiln train configs/quickstart.json --run runs/try --set train.steps=200\n"
      "          kiln train runs/try --resume --set train.steps=400\n"
      "          kiln train --init-from gpt2 --data notes/*.txt --for 10m");
  command->callback([options] { run_train(*options); });
}

}  // namespace kiln::cli
