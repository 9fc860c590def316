// kiln eval: computes the exact loss of a model over a whole text.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/data/batcher.h"
#include "kiln/data/dataset.h"
#include "kiln/infer/context.h"
#include "kiln/run/checkpoint.h"
#include "kiln/run/model_chat.h"
#include "kiln/run/run_directory.h"
#include "kiln/text/document.h"
#include "kiln/train/evaluate.h"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/data_arguments.h"
#include "cli/eval_answers.h"
#include "cli/output.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

// Options that make --generate draw answers.
constexpr std::array<const char*, 5> kVaryingOptions{"--temperature", "--top-k", "--top-p", "--min-p", "--samples"};

struct EvalOptions {
  ModelArguments model;
  std::vector<std::string> data;         // first value of each --data
  std::vector<std::string> more_data;    // further files: an option with several values would take RUN as one
  std::optional<std::string> separator;  // of documents; null: the run's
  ReadingArguments reading;
  std::string questions;  // a file, whose answers are generated
  std::string tasks;      // a file of multiple-choice questions
  std::optional<std::string> chat_template;
  GenerationOptions generation{.max_tokens = 100};  // of the answers
  bool json = false;
};

/// Returns the token folder of the checkpoint's run; "" if there is none.
fs::path token_cache(const ModelSource& source) {
  const fs::path checkpoints = fs::weakly_canonical(source.folder).parent_path();
  const RunPaths run{checkpoints.parent_path()};
  const bool is_of_run = checkpoints == run.checkpoints() && is_run_directory(run.root) && is_folder(run.tokens());
  return is_of_run ? run.tokens() : fs::path();
}

Dataset encode(const DataConfig& data, const LoadedModel& model, const fs::path& base, const fs::path& cache,
               std::string_view key = "data.train") {
  if (names_token_files(data, base, key)) return open_token_dataset(data, model.model->vocab_size(), base, cache);
  const Corpus corpus(data, base, key);
  if (!corpus.train_files().left.empty()) spdlog::info("{}: {}", key, describe_files(corpus.train_files()));
  const std::string odd_bytes = model.tokenizer->type() == "byte" ? "" : corpus.check_bytes();
  if (!odd_bytes.empty()) spdlog::warn("{}", odd_bytes);
  return encode_corpus(corpus, *model.tokenizer, model.ids().marks(), cache);
}

/// Returns the tokens of the files of --data, with documents separated as requested, else as in the run.
TokenFile tokens_of_files(const LoadedModel& model, const EvalOptions& options) {
  DataConfig data;
  if (model.source.config) data = model.source.config->data;
  data.validation.clear();
  data.validation_fraction = 0;
  data.train = options.data;
  data.train.insert(data.train.end(), options.more_data.begin(), options.more_data.end());
  if (options.separator) data.document_separator = options.separator;
  options.reading.apply_to(data);
  TokenFile tokens = encode(data, model, {}, {}, "--data").train;
  require_tokens(tokens.size(), 2, name_of_files({data.train.begin(), data.train.end()}), "an evaluation");
  return tokens;
}

/// Returns the run's validation split, from the run's tokens; else from its text, if that is unchanged: another split
/// would contain training text.
TokenFile held_out_tokens(const LoadedModel& model) {
  const std::string folder = model.source.folder.string();
  const std::optional<Config>& config = model.source.config;
  check(config.has_value(), "{}: does not belong to a run, so it has no validation split; name a text with --data FILE",
        folder);
  check(config->data.has_validation(), "{}: the run has no held-out text; name a text with --data FILE", folder);
  spdlog::info("scoring the run's validation split; --data FILE names another text");
  const fs::path cache = token_cache(model.source);
  const std::uint64_t trained_on = read_trainer_state(model.source.folder).data_digest;
  if (const auto kept = find_dataset(config->data, trained_on, cache)) return kept->validation;
  const Dataset data = encode(config->located_data(), model, config->directory, cache);
  check(trained_on == 0 || trained_on == data.digest(),
        "{}: the run was trained on other data than data.train and data.validation hold now ({}, {} held out): "
        "a file was changed, added or removed; restore the data, or name a text with --data FILE",
        folder, counted(data.train.size(), "token"), format_count(data.validation.size()));
  return data.validation;
}

/// Returns the text to score, with its documents kept apart if the run kept them so.
std::unique_ptr<EvaluationSource> text_to_score(const LoadedModel& model, const EvalOptions& options) {
  const TokenFile tokens = options.data.empty() ? held_out_tokens(model) : tokens_of_files(model, options);
  const std::optional<Config>& run = model.source.config;
  const std::optional<TokenId> border = run ? document_border(run->data, model.ids()) : std::nullopt;
  return make_text_evaluation(model.model->config(), tokens, std::numeric_limits<Index>::max(), border);
}

Evaluation evaluate(const LoadedModel& model, const EvaluationSource& source, std::optional<TokenId> end_of_turn) {
  const ModelWeights& weights = *model.weights;
  const std::unique_ptr<Evaluator> evaluator =
      make_evaluator(model.model->config(), model.model->vocab_size(), weights.precision(),
                     text_bytes_by_token(*model.tokenizer), end_of_turn);
  Work work("scoring", static_cast<double>(source.tokens()), "tokens");
  return evaluator->evaluate(weights.view(), source, [&](double share) { work.set_share(share); });
}

/// Asks the questions of --generate or --tasks.
void ask(const LoadedModel& model, const std::optional<ChatTemplate>& chat, const EvalOptions& options) {
  if (!options.tasks.empty()) return evaluate_choices(model, chat, options.tasks, options.json);
  evaluate_answers(model, *chat, options.questions, options.generation, options.json);
}

/// Returns the template of a model that was finetuned on conversations, or that answers questions; nullopt to score
/// plain text.
std::optional<ChatTemplate> template_for(const LoadedModel& model, const EvalOptions& options) {
  const auto chosen = options.chat_template
                          ? std::optional(value_of<ChatTemplateKind>(kChatTemplateKinds, *options.chat_template))
                          : std::nullopt;
  if (!chosen && options.questions.empty() && !is_chat_run(model)) return std::nullopt;
  return chat_template_of(model, chosen, "--template");
}

Json to_json(const Evaluation& result) {
  Json json{{"loss", result.loss}, {"perplexity", result.perplexity()}};
  json["bits_per_byte"] = or_null(result.bits_per_byte);
  json["accuracy"] = result.accuracy;
  if (result.end_accuracy) json["end_accuracy"] = *result.end_accuracy;
  json["tokens"] = result.tokens;
  json["tokens_per_second"] = result.tokens_per_second();
  json["confidence_interval"] = Json();
  if (result.margin) json["confidence_interval"] = {result.loss - *result.margin, result.loss + *result.margin};
  for (const Evaluation& part : result.parts) {
    json["parts"].push_back({{"name", part.part}});
    json["parts"].back().update(to_json(part));
  }
  return json;
}

/// Returns a line for each part of several.
std::string parts_table(const Evaluation& result) {
  if (result.parts.empty()) return "";
  Table table;
  table.row({"part", "loss", "perplexity", "accuracy", "tokens"});
  for (const Evaluation& part : result.parts) {
    table.row({part.part, fmt::format("{:.4f}", part.loss), fmt::format("{:.3f}", part.perplexity()),
               fmt::format("{:.2f}%", 100 * part.accuracy), format_count(part.tokens)});
  }
  return "\n" + table.text();
}

std::string to_text(const Evaluation& result) {
  Table table;
  table.row({"loss", fmt::format("{:.4f}", result.loss), " nats/token"});
  if (result.margin) {
    table.row({"95% interval", fmt::format("{:.4f}", result.loss - *result.margin),
               fmt::format("to {:.4f}", result.loss + *result.margin)});
  } else {
    table.row({"95% interval", "unknown", " from a single sequence"});
  }
  table.row({"perplexity", fmt::format("{:.3f}", result.perplexity())});
  table.row({"bits per byte", result.bits_per_byte ? fmt::format("{:.4f}", *result.bits_per_byte) : "unknown"});
  table.row({"accuracy", fmt::format("{:.2f}%", 100 * result.accuracy)});
  if (result.end_accuracy) table.row({"ends of turns", fmt::format("{:.2f}%", 100 * *result.end_accuracy)});
  table.row({"tokens", format_count(result.tokens)});
  table.row({"tokens/s", grouped(result.tokens_per_second())});
  return table.text() + parts_table(result);
}

void run_eval(const EvalOptions& options) {
  const LoadedModel model = options.model.load();
  const bool is_judged = model.source.config && is_of_preferences(model.source.config->objective.type);
  check(
      !is_judged || !options.data.empty() || !options.questions.empty() || !options.tasks.empty(),
      "{}: was tuned on judged answers, and its metrics.jsonl has their held-out loss; kiln compare judges the model, "
      "and --data FILE names conversations to score",
      options.model.run);
  const std::optional<ChatTemplate> chat = template_for(model, options);
  if (!options.questions.empty() || !options.tasks.empty()) return ask(model, chat, options);
  std::vector<std::string> files = options.data;
  files.insert(files.end(), options.more_data.begin(), options.more_data.end());
  const bool scores_chats = chat.has_value();
  check(!scores_chats || !files.empty() || is_chat_run(model),
        "--template: {} was not finetuned on conversations, so it has none to score; name some with --data FILE",
        options.model.run);
  check(!scores_chats || !options.separator,
        "--document-separator: is for text, but conversations are scored; leave it out");
  const auto source =
      scores_chats ? conversations_to_score(model, *chat, files, options.reading) : text_to_score(model, options);
  const auto end_of_turn = scores_chats ? std::optional(chat->end_of_turn()) : std::nullopt;
  const Evaluation result = evaluate(model, *source, end_of_turn);
  if (!std::isfinite(result.loss)) fail_diverged("the model's loss on this text is not finite");
  options.json ? write_json(to_json(result)) : write_stdout(to_text(result));
}

/// Adds how --generate draws answers: as the likeliest tokens, unless an option of sampling is given.
void add_generation(CLI::App& command, GenerationOptions& generation) {
  add_count(command, "--max-tokens", generation.max_tokens, "maximum number of tokens in a generated answer", 1)
      ->type_name("N");
  add_sampling_options(command, generation.sampling);
  add_count(command, "--samples", generation.samples, "answers to each question", 1, 1000);
  add_count(command, "--seed", generation.seed, "seed of the draws; the same seed gives the same answers");
  for (const char* name : {"--max-tokens", "--repetition-penalty", "--greedy", "--seed"})
    command.get_option(name)->needs("--generate");
  for (const char* name : kVaryingOptions) command.get_option(name)->needs("--generate");
}

/// Returns true unless an option asks for answers that vary.
bool is_greedy(const CLI::App& command) {
  const auto is_given = [&](const char* name) { return command.count(name) > 0; };
  return is_given("--greedy") || std::ranges::none_of(kVaryingOptions, is_given);
}

}  // namespace

void add_eval(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command = app.add_subcommand("eval", "Score a text exactly: loss, perplexity, bits per byte, accuracy");
  options->model.add_to(*command);
  options->model.add_precision_to(*command);
  CLI::Option* data = add_repeated(*command, "--data", options->data,
                                   "text or token files, folders or globs to score as one text, in place of the run's "
                                   "validation split: --data a.txt b.txt")
                          ->type_name("FILE");
  command->add_option("FILES", options->more_data, "further files of --data")
      ->type_name("FILE")
      ->default_str("")
      ->needs(data);
  command
      ->add_option("--document-separator", options->separator,
                   "line that separates the documents of --data's text files; default: the run's")
      ->type_name("TEXT")
      ->needs("--data");
  options->reading.add_to(*command);
  for (const char* name : {"--include", "--text-field"}) command->get_option(name)->needs(data);
  command
      ->add_option(
          "--generate", options->questions,
          "conversations (.jsonl, .json): generate each last answer and compare it; greedily, unless --temperature or "
          "another option of sampling is given")
      ->type_name("FILE")
      ->excludes("--data");
  add_generation(*command, options->generation);
  command
      ->add_option("--tasks", options->tasks,
                   "multiple-choice questions (.jsonl: prompt, choices, answer): answer each with its likeliest choice")
      ->type_name("FILE")
      ->excludes("--data")
      ->excludes("--generate");
  add_choice(
      *command, "--template", options->chat_template, kChatTemplateKinds,
      "chat template; default: the model's own, else the one whose special tokens the vocabulary has, else plain. "
      "With --data, scores conversations with any model");
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->footer(
      "kiln scores every token but the first once, in windows of n_ctx that do not overlap. For a model finetuned on\n"
      "conversations, it scores the answers: --data names conversations, and several files are also scored one by "
      "one.\n"
      "Example: kiln eval runs/tales --data other.txt --json");
  command->callback([options, command] {
    options->generation.sampling.greedy = is_greedy(*command);
    run_eval(*options);
  });
}

}  // namespace kiln::cli
