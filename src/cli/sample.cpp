// kiln sample: text that goes on from a prompt.
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/json.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/terminal.h"
#include "kiln/core/utf8.h"
#include "kiln/infer/complete.h"
#include "kiln/infer/prompt.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <cstdio>
#include <memory>
#include <unistd.h>

namespace kiln::cli {
namespace {

struct SampleOptions {
  ModelArguments model;
  std::string prompt;  // "-": it comes from standard input
  std::string prompt_file;
  bool allow_special = false;
  bool json = false;
  CompletionOptions completion;
};

std::string read_prompt(const SampleOptions& options) {
  if (options.prompt_file == "-") return read_stdin();
  return options.prompt_file.empty() ? read_prompt_argument(options.prompt) : read_file(options.prompt_file);
}

/// Writes samples that grow side by side one after the other: the first live, the others when their turn comes.
class SamplePrinter {
 public:
  /// On a terminal the prompt stands before each sample, and what the terminal would obey is escaped; elsewhere the
  /// output is the samples alone, as they are.
  SamplePrinter(std::string_view prompt, Index samples)
      : pending_(static_cast<std::size_t>(samples)),
        is_terminal_(is_terminal(STDOUT_FILENO)),
        prompt_(is_terminal_ ? printable_lines(prompt) : "") {}

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
    if (pending_.size() > 1) write(fmt::format("=== sample {} of {} ===\n", current_ + 1, pending_.size()));
    if (!prompt_.empty()) {
      const bool color = output_has_color(STDOUT_FILENO);
      write(fmt::format("{}{}{}", color ? "\x1b[2m" : "", prompt_, color ? "\x1b[0m" : ""));
    }
    last_byte_ = '\0';
    begun_ = true;
  }

  void write(const std::string& text) {
    write_stdout(text);
    if (std::ferror(stdout) != 0) throw ExitWith{0};  // the reader has gone away and wants no more
    last_byte_ = text.back();
  }

  std::vector<Pending> pending_;
  bool is_terminal_;
  std::string prompt_;
  std::size_t current_ = 0;
  bool begun_ = false;
  char last_byte_ = '\0';
};

Json to_json(const std::string& prompt, const std::vector<Completion>& completions) {
  Json samples = Json::array();
  for (const Completion& completion : completions) {
    samples.push_back({{"prompt", utf8_replace_invalid(prompt)},
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

std::vector<Completion> complete(LoadedModel& loaded, const SampleOptions& options, std::span<const TokenId> prompt,
                                 const OnText& on_text) {
  if (options.model.precision_of(loaded) == Precision::fp32) {
    return kiln::complete(*loaded.model, *loaded.weights, *loaded.tokenizer, prompt, options.completion, on_text);
  }
  const LanguageModel<bfloat16> model(loaded.model->config(), loaded.model->vocab_size());
  ParameterBuffer<bfloat16> rounded(model.layout);
  Weights(*loaded.weights, rounded).round();
  loaded.weights.reset();  // half the memory, or less
  return kiln::complete(model, rounded, *loaded.tokenizer, prompt, options.completion, on_text);
}

/// Says so where samples may outgrow the context: up to there each token reads the keys and values of those before it,
/// from there on the window moves and is computed whole.
void say_beyond_context(std::size_t prompt_tokens, Index n_ctx, Index max_tokens) {
  const Index prompt = std::min(static_cast<Index>(prompt_tokens), n_ctx);
  const Index within = n_ctx - prompt + 1;
  if (max_tokens <= within) return;
  spdlog::info(
      "the model's context is {}: beyond it, after {} of a sample, each token takes a pass over the whole "
      "context "
      "and many times as long; --max-tokens {} stays within",
      counted(n_ctx, "token"), within, within);
}

void run_sample(SampleOptions options) {
  options.completion.generation.validate();
  LoadedModel loaded = options.model.load();
  const std::string prompt = read_prompt(options);
  const SpecialIds ids = loaded.ids();
  const std::vector<TokenId> tokens = encode_prompt(
      *loaded.tokenizer, ids, prompt, options.allow_special ? SpecialTokens::allow : SpecialTokens::as_text);
  options.completion.generation.end_tokens = ids.ends;
  say_beyond_context(tokens.size(), loaded.model->config().n_ctx, options.completion.generation.max_tokens);

  options.completion.generation.log_probabilities = options.json;

  SamplePrinter printer(prompt, options.completion.generation.samples);
  OnText on_text;
  if (!options.json) {
    on_text = [&](Index sample, std::string_view piece, bool last) { printer.add(sample, piece, last); };
  }
  const Stopwatch stopwatch;
  const std::vector<Completion> completions = complete(loaded, options, tokens, on_text);
  if (options.json) write_json(to_json(prompt, completions));
  report_speed(completions, stopwatch.seconds());
}

void add_prompt_options(CLI::App& command, SampleOptions& options) {
  auto* text =
      command
          .add_option("PROMPT,--prompt", options.prompt,
                      "text to go on from; -: read it from standard input, without the line feed that echo adds; "
                      "empty: from the start token, else the end-of-text token if documents ended with it in training, "
                      "else a line feed. Of a prompt longer than the context its end is used")
          ->type_name("TEXT");
  command
      .add_option("--prompt-file", options.prompt_file, "file with the prompt, used as it stands; -: standard input")
      ->type_name("FILE")
      ->excludes(text);
  command.add_flag("--allow-special", options.allow_special,
                   "read special tokens in the prompt as such, and insert none");
}

void add_sampling_options(CLI::App& command, SamplingOptions& sampling) {
  command.add_option("--temperature", sampling.temperature,
                     "lower: more predictable; higher: more varied; 0: always the likeliest token");
  add_count(command, "--top-k", sampling.top_k, "draw from the k likeliest tokens only; 0: all");
  command.add_option("--top-p", sampling.top_p,
                     "draw from the fewest tokens that have this probability together; 1: all");
  command.add_option("--min-p", sampling.min_p,
                     "draw from tokens at least this many times as probable as the likeliest; 0: all");
  command.add_option("--repetition-penalty", sampling.repetition_penalty,
                     "above 1: make tokens of the context less likely");
  command.add_flag("--greedy", sampling.greedy, "always take the likeliest token");
}

}  // namespace

void add_sample(CLI::App& app) {
  const auto options = std::make_shared<SampleOptions>();
  GenerationOptions& generation = options->completion.generation;
  CLI::App* command = app.add_subcommand("sample", "Continue a prompt with text drawn from a model");
  options->model.add_to(*command);
  options->model.add_precision_to(*command);
  add_prompt_options(*command, *options);
  add_count(*command, "--max-tokens", generation.max_tokens, "most tokens of a sample");
  add_sampling_options(*command, generation.sampling);
  add_repeated(
      *command, "--stop", options->completion.stops,
      "end a sample before this text, or at the special token of this name; $'\\n' is a line feed; may be repeated")
      ->type_name("TEXT");
  add_count(*command, "--samples", generation.samples, "number of samples", 1, 1'000'000);
  add_count(*command, "--seed", generation.seed, "seed of the draws; the same seed gives the same samples");
  add_json_flag(*command, options->json);
  command->footer(
      "--json prints an array with an object for each sample: its prompt and text, the ids of the tokens drawn, and "
      "as\n"
      "logprobs the natural logarithm of the probability that the model itself gave each of them, before temperature,\n"
      "truncation and penalty.\n"
      "Example: kiln sample runs/tales 'Once upon' --temperature 0.7 --json");
  command->callback([options] { run_sample(*options); });
}

}  // namespace kiln::cli
