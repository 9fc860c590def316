// Declares each shared argument once, with what every command does with it first.
#include "cli/arguments.h"

#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/nearest.h"
#include "kiln/core/threads.h"
#include "kiln/text/tokenizer_json.h"

#include <spdlog/spdlog.h>

namespace kiln::cli {
namespace {

constexpr std::int64_t kGuessedCharacters = 65;  // Tiny Shakespeare's

/// Sets the number of threads from the config of the model's run.
LoadedModel with_threads_of_run(LoadedModel model) {
  const TrainConfig train = model.source.config ? model.source.config->train : TrainConfig();
  set_threads(train.threads);
  return model;
}

}  // namespace

void ModelArguments::add_to(CLI::App& command) {
  command
      .add_option(
          "RUN", run,
          "run directory, checkpoint folder, Hugging Face model folder, folder of adapters, or llm.c model file")
      ->required()
      ->type_name("DIR");
  command
      .add_option("--checkpoint", checkpoint,
                  "checkpoint of a run directory; default: best if there is one, else latest")
      ->type_name("latest|best|STEP");
}

void ModelArguments::add_precision_to(CLI::App& command) {
  add_choice(command, "--precision", precision, kPrecisions,
             "precision of the computation; default: the precision of the run's training");
}

LoadedModel ModelArguments::load(ModelKind kind) const {
  ModelSource source = open();
  const auto chosen = precision ? std::optional(value_of<Precision>(kPrecisions, *precision)) : std::nullopt;
  const Precision computing = precision_of(source, chosen);
  return with_threads_of_run(load_model(std::move(source), kind, computing));
}

LoadedModel ModelArguments::load_in_float(ModelSource source, ModelKind kind) {
  return with_threads_of_run(load_model(std::move(source), kind));
}

void warn_if_diverged(const LoadedModel& model, const std::string& name) {
  if (model.weights->masters().all().allFinite()) return;
  spdlog::warn("{}: some weights are NaN or infinite: the model has diverged, and no program can use it", name);
}

void warn_of_long_prompts(std::span<const Prompt> prompts, Index n_ctx) {
  const auto is_long = [n_ctx](const Prompt& prompt) { return std::ssize(prompt) > n_ctx; };
  const auto count = std::ranges::count_if(prompts, is_long);
  if (count > 0 && prompts.size() > 1) {
    spdlog::warn("{} of {} are longer than the model's context of {}: it does not see their beginnings", count,
                 counted(std::ssize(prompts), "prompt"), n_ctx);
  } else if (count > 0) {
    const Index tokens = std::ssize(prompts.front());
    spdlog::warn("the prompt has {} and the model's context is {}: it does not see the first {}",
                 counted(tokens, "token"), n_ctx, tokens - n_ctx);
  }
}

void ConfigArguments::add_to(CLI::App& command) {
  command.add_option("CONFIG", config, "JSON file; kiln train --reference explains its keys")
      ->required()
      ->type_name("FILE");
  add_repeated(command, "--set", overrides, "change a key of the config; VALUE is JSON or a word; may be repeated")
      ->type_name("KEY.PATH=VALUE");
}

Config ConfigArguments::read() const {
  Config read = read_config(config, overrides, Purpose::plan);
  TokenizerConfig& tokenizer = read.tokenizer;
  if (read.init_from) {
    tokenizer.vocab_size = open_model(read.locate(*read.init_from)).vocab_size;
  } else if (tokenizer.path && path_exists(read.locate(*tokenizer.path))) {
    tokenizer.vocab_size = load_tokenizer(read.locate(*tokenizer.path))->vocab_size();
  } else if (tokenizer.path) {
    spdlog::info("{}: does not exist yet; assuming tokenizer.vocab_size {}", *tokenizer.path, tokenizer.vocab_size);
  } else if (tokenizer.type == TokenizerKind::byte) {
    tokenizer.vocab_size = kByteCount + std::ssize(tokenizer.special_tokens);
  } else if (tokenizer.type == TokenizerKind::character) {
    tokenizer.vocab_size = kGuessedCharacters + std::ssize(tokenizer.special_tokens);
    spdlog::info("the text decides how many entries a char tokenizer has; assuming {}", tokenizer.vocab_size);
  }
  set_threads(read.train.threads);
  return read;
}

void add_json_flag(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "print the result as JSON; messages go to stderr");
}

void add_quiet_flag(CLI::App& command) {
  command.add_flag_callback(
      "--quiet", [] { spdlog::set_level(spdlog::level::warn); }, "print only warnings and errors");
}

CLI::Validator one_of(std::vector<std::string> names) {
  const auto refuse = [names = std::move(names)](const std::string& text) -> std::string {
    const std::vector<std::string_view> known(names.begin(), names.end());
    if (std::ranges::find(known, text) != known.end()) return "";
    const std::string_view meant = nearest(text, known);
    return fmt::format("\"{}\" is not one of {}{}", text, fmt::join(known, ", "),
                       meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant));
  };
  return {refuse, ""};  // no description: the help shows the names as the option's type
}

void add_sampling_options(CLI::App& command, SamplingOptions& sampling) {
  command.add_option("--temperature", sampling.temperature,
                     "lower: more predictable; higher: more varied; 0: always the likeliest token");
  add_count(command, "--top-k", sampling.top_k, "draw from the k likeliest tokens only; 0: all");
  command.add_option("--top-p", sampling.top_p,
                     "draw from the smallest set of likeliest tokens that has this total probability; 1: all");
  command.add_option("--min-p", sampling.min_p,
                     "draw from tokens with at least this share of the likeliest token's probability; 0: all");
  command.add_option("--repetition-penalty", sampling.repetition_penalty,
                     "above 1: make tokens that are already in the context less likely");
  command.add_flag("--greedy", sampling.greedy, "always take the likeliest token");
}

void add_stop(CLI::App& command, std::vector<std::string>& stops, const std::string& what) {
  add_repeated(command, "--stop", stops,
               fmt::format("end {} before this text or special token; $'\\n' is a line feed; may be repeated", what))
      ->type_name("TEXT");
}

CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                          const std::string& help) {
  CLI::Option* option = command.add_option(name, values, help)->allow_extra_args(false);
  return values.empty() ? option->default_str("") : option;  // the help shows nothing instead of "[]"
}

}  // namespace kiln::cli
