// kiln sample: continues prompts with text drawn from a model.
#include "kiln/core/compressed_file.h"
#include "kiln/core/format.h"
#include "kiln/core/json.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/terminal.h"
#include "kiln/core/utf8.h"
#include "kiln/data/prompts.h"
#include "kiln/infer/complete.h"
#include "kiln/infer/prompt.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/best_of.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <unistd.h>

namespace kiln::cli {
namespace {

struct SampleOptions {
  ModelArguments model;
  std::string prompt;  // "-": read from standard input
  std::string prompt_file;
  std::optional<std::string> prompts;  // file with several prompts
  std::string overflow = "half";
  bool allow_special = false;
  BestOfOptions best_of;
  bool json = false;
  CompletionOptions completion;
};

std::vector<TextPrompt> prompts_of(const SampleOptions& options) {
  if (options.prompts) {
    const std::string& file = *options.prompts;
    return split_text_prompts(file, file == "-" ? read_stdin() : read_decompressed(file));
  }
  if (options.prompt_file == "-") return {{read_stdin(), ""}};
  if (!options.prompt_file.empty()) return {{read_decompressed(options.prompt_file), ""}};
  return {{read_prompt_argument(options.prompt), ""}};
}

/// Encodes a prompt; errors name its line.
Prompt encode(const LoadedModel& model, const TextPrompt& prompt, SpecialTokens special) {
  try {
    return encode_prompt(*model.tokenizer, model.ids(), prompt.text, special);
  } catch (const Error& error) {
    if (prompt.place.empty()) throw;
    fail(error.code(), "{}: {}", prompt.place, error.what());
  }
}

/// Writes samples that are generated together one after the other: the current one live, the next from a buffer.
class SamplePrinter {
 public:
  /// Writes a heading before each of several samples. On a terminal, also writes the prompt before each sample, and
  /// escapes control characters.
  SamplePrinter(std::span<const TextPrompt> prompts, Index samples)
      : prompts_(prompts),
        samples_(static_cast<std::size_t>(samples)),
        pending_(prompts.size() * samples_),
        is_terminal_(is_terminal(STDOUT_FILENO)) {}

  void add(Index sample, std::string_view piece, bool last) {
    Pending& pending = pending_[static_cast<std::size_t>(sample)];
    pending.text += is_terminal_ ? printable_lines(piece) : std::string(piece);
    pending.ended = last;
    for (; current_ < pending_.size(); ++current_, begun_ = false) {
      Pending& current = pending_[current_];
      if (!begun_) begin();
      if (!current.text.empty()) write(std::exchange(current.text, {}));
      if (!current.ended) return;
      if (last_byte_ != '\n') write("\n");
    }
  }

 private:
  struct Pending {
    std::string text;
    bool ended = false;
  };

  void begin() {
    if (pending_.size() > 1) write(fmt::format("=== {} ===\n", heading()));
    const std::string& prompt = prompts_[current_ / samples_].text;
    if (is_terminal_ && !prompt.empty()) {
      const bool color = output_has_color(STDOUT_FILENO);
      write(fmt::format("{}{}{}", color ? "\x1b[2m" : "", printable_lines(prompt), color ? "\x1b[0m" : ""));
    }
    last_byte_ = '\0';
    begun_ = true;
  }

  std::string heading() const {
    std::string sample = fmt::format("sample {} of {}", current_ % samples_ + 1, samples_);
    if (prompts_.size() == 1) return sample;
    std::string prompt = fmt::format("prompt {} of {}", current_ / samples_ + 1, prompts_.size());
    return samples_ == 1 ? prompt : fmt::format("{}, {}", prompt, sample);
  }

  void write(const std::string& text) {
    write_stdout(text);
    if (std::ferror(stdout) != 0) throw ExitWith{0};  // the reader has closed the pipe
    last_byte_ = text.back();
  }

  std::span<const TextPrompt> prompts_;
  std::size_t samples_;  // of each prompt
  std::vector<Pending> pending_;
  bool is_terminal_;
  std::size_t current_ = 0;
  bool begun_ = false;
  char last_byte_ = '\0';
};

Json to_json(std::span<const TextPrompt> prompts, const std::vector<Completion>& completions) {
  Json samples = Json::array();
  const std::size_t samples_a_prompt = completions.size() / prompts.size();
  for (std::size_t i = 0; i < completions.size(); ++i) {
    const Completion& completion = completions[i];
    samples.push_back({{"prompt", utf8_replace_invalid(prompts[i / samples_a_prompt].text)},
                       {"text", completion.text},
                       {"tokens", completion.tokens},
                       {"ids", completion.ids},
                       {"logprobs", completion.log_probabilities},
                       {"finish_reason", name_of(completion.finish)}});
  }
  return samples;
}

void report_speed(const std::vector<Completion>& completions, double seconds) {
  Index tokens = 0;
  for (const Completion& completion : completions) tokens += completion.tokens;
  spdlog::info("{} in {:.2f} s ({:.0f} tokens/s)", counted(tokens, "token"), seconds,
               static_cast<double>(tokens) / seconds);
}

/// Logs once what happens beyond the context, if samples may exceed it.
void say_beyond_context(const std::vector<Prompt>& prompts, Index n_ctx, const GenerationOptions& generation) {
  Index longest = 0;
  for (const Prompt& tokens : prompts) longest = std::max(longest, std::min(std::ssize(tokens), n_ctx));
  const Index within = n_ctx - longest + 1;
  if (generation.max_tokens <= within) return;
  const std::string beyond = fmt::format("the model's context is {}: after {} of a sample{}", counted(n_ctx, "token"),
                                         within, prompts.size() > 1 ? " of the longest prompt" : "");
  switch (generation.overflow) {
    case ContextOverflow::half:
      return spdlog::info("{}, and whenever it is full, the model forgets the older half of it (--context-overflow)",
                          beyond);
    case ContextOverflow::recompute:
      return spdlog::info("{}, each token takes a pass over the whole context; --context-overflow half is faster",
                          beyond);
    case ContextOverflow::stop:
      return spdlog::info("{}, it ends (--context-overflow)", beyond);
  }
}

void run_sample(SampleOptions options) {
  options.completion.generation.validate();
  const std::vector<TextPrompt> texts = prompts_of(options);
  if (options.best_of.count > 0) {
    std::vector<std::string> prompts;
    for (const TextPrompt& text : texts) prompts.push_back(text.text);
    return sample_best_of(options.model, prompts, options.completion, options.best_of, options.json);
  }
  const LoadedModel loaded = options.model.load();
  std::vector<Prompt> prompts;
  for (const TextPrompt& text : texts) {
    prompts.push_back(encode(loaded, text, options.allow_special ? SpecialTokens::allow : SpecialTokens::as_text));
  }
  GenerationOptions& generation = options.completion.generation;
  generation.end_tokens = loaded.ids().ends;
  generation.overflow = value_of<ContextOverflow>(kContextOverflows, options.overflow);
  if (options.json) generation.log_probabilities = LogProbabilities::of_model;
  warn_of_long_prompts(prompts, loaded.model->config().n_ctx);
  say_beyond_context(prompts, loaded.model->config().n_ctx, generation);

  SamplePrinter printer(texts, generation.samples);
  OnText on_text;
  if (!options.json) {
    on_text = [&](Index sample, std::string_view piece, bool last) { printer.add(sample, piece, last); };
  }
  const Stopwatch stopwatch;
  const std::vector<Completion> completions =
      complete(loaded.view(), *loaded.tokenizer, prompts, options.completion, on_text);
  if (options.json) write_json(to_json(texts, completions));
  report_speed(completions, stopwatch.seconds());
}

void add_prompt_options(CLI::App& command, SampleOptions& options) {
  auto* text =
      command
          .add_option("PROMPT,--prompt", options.prompt,
                      "text to continue; -: read it from standard input and drop the line end that echo adds; empty: "
                      "the start token, else the end token if documents ended with it in training, else a line feed. "
                      "kiln takes the end of a prompt that is longer than the context")
          ->type_name("TEXT");
  command
      .add_option("--prompt-file", options.prompt_file,
                  "file with the prompt (.gz and .zst are decompressed), used unchanged; -: standard input")
      ->type_name("FILE")
      ->excludes(text);
  command
      .add_option("--prompts", options.prompts,
                  "file with a prompt on each line, or .jsonl with the field \"prompt\"; -: standard input. kiln "
                  "continues all of them together, each --samples times")
      ->type_name("FILE")
      ->excludes(text)
      ->excludes("--prompt-file");
  command.add_flag("--allow-special", options.allow_special,
                   "read special tokens in the prompt as tokens, and insert none");
}

}  // namespace

void add_sample(CLI::App& app) {
  const auto options = std::make_shared<SampleOptions>();
  GenerationOptions& generation = options->completion.generation;
  CLI::App* command = app.add_subcommand("sample", "Continue a prompt with text drawn from a model");
  options->model.add_to(*command);
  options->model.add_precision_to(*command);
  add_prompt_options(*command, *options);
  add_count(*command, "--max-tokens", generation.max_tokens, "maximum number of tokens in a sample");
  add_sampling_options(*command, generation.sampling);
  add_stop(*command, options->completion.stops, "a sample");
  add_count(*command, "--samples", generation.samples, "number of samples", 1, 1'000'000);
  add_count(*command, "--seed", generation.seed, "seed of the draws; the same seed gives the same samples");
  add_choice(*command, "--context-overflow", options->overflow, kContextOverflows,
             "when a sample fills the context: forget the older half of it, recompute the last n_ctx tokens for each "
             "token (slow), or stop");
  CLI::Option* reward =
      command->add_option("--reward", options->best_of.reward, "reward model that scores the answers of --best-of")
          ->type_name("RUN");
  add_count(*command, "--best-of", options->best_of.count,
            "answer the prompt, which is what a user says, this often, and print the answer with the highest score", 1,
            10'000)
      ->type_name("N")
      ->needs(reward)
      ->excludes("--samples");
  reward->needs("--best-of");
  add_json_flag(*command, options->json);
  command->footer(
      "--json prints an array with an object for each sample: its prompt and text, the ids of the drawn tokens, and "
      "logprobs:\n"
      "the natural logarithm of the probability that the model gave each of them, before temperature, truncation and "
      "penalty.\n"
      "Example: kiln sample runs/tales 'Once upon' --temperature 0.7 --json");
  command->callback([options] { run_sample(*options); });
}

}  // namespace kiln::cli
