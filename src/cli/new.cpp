// kiln new: writes a config for a text and a time, and the reasons for it.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/threads.h"
#include "kiln/data/source_files.h"
#include "kiln/train/proposal.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/data_arguments.h"
#include "cli/finetune.h"
#include "cli/output.h"
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kiln::cli {
namespace {

constexpr const char* kUsualTime = "30m";

struct NewOptions {
  std::vector<std::string> data{"data"};
  ReadingArguments reading;
  std::string init_from;
  std::optional<std::string> time;
  std::string output;
  bool overwrite = false;
  bool json = false;
};

std::string text_reasons(const TextFacts& text) {
  std::string out = fmt::format(
      "- `data`: {}: {} of training text{}; the last {:.2g}% of the text are held out, to measure the loss on text "
      "that the model has not read.\n",
      printable(describe_files(text.sources)), format_bytes(static_cast<double>(text.bytes)),
      text.separator ? fmt::format(" in {} documents, with a line `{}` between them",
                                   format_count(static_cast<std::int64_t>(text.documents)), *text.separator)
                     : "",
      100 * text.validation_fraction);
  return out;
}

/// Returns "**best**", or how much worse than the chosen one a candidate is expected to be.
std::string standing(const Candidate& candidate, const Proposal& proposal) {
  const double best = proposal.choice().expected_bits;
  return candidate.expected_bits == best ? "**best**"
                                         : fmt::format("+{:.1f}%", 100 * (candidate.expected_bits / best - 1));
}

std::string candidate_table(const Proposal& proposal) {
  std::string out =
      "| layers | width | vocabulary | context | windows a step | parameters | tokens/s here | tokens in the time | "
      "passes | expected bits a byte |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";
  for (const Candidate& c : proposal.candidates) {
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", c.model.n_layers, c.model.d_model,
                       format_count(c.vocabulary.size), c.model.n_ctx, c.batch_size, format_count(c.parameters),
                       grouped(c.tokens_per_second), grouped(c.tokens), approximate(c.passes), standing(c, proposal));
  }
  return out;
}

std::string vocabulary_table(const Proposal& proposal) {
  std::string out =
      "| vocabulary | bytes a token | tokens/s here | text in the time | expected bits a byte |\n"
      "|--:|--:|--:|--:|--:|\n";
  for (const Candidate& c : proposal.vocabularies) {
    out += fmt::format("| {} | {:.2f} | {} | {} | {} |\n", format_count(c.vocabulary.size),
                       c.vocabulary.bytes_per_token, grouped(c.tokens_per_second),
                       format_bytes(c.tokens * c.vocabulary.bytes_per_token), standing(c, proposal));
  }
  return out;
}

std::string choice_reasons(const Proposal& proposal) {
  return fmt::format(
             "A larger model or vocabulary learns more from each step; a smaller one takes more steps in the time. "
             "kiln timed each shape on this machine ({}) with two vocabularies. A scaling law in bits per byte "
             "(`bench/README.md` says what it was fitted to) then ranks all vocabularies, contexts and batches. It "
             "ranks them; it does not predict the loss. Each shape with its best vocabulary, context and batch:\n\n",
             counted(threads(), "thread")) +
         candidate_table(proposal) + "\nThe chosen shape with every vocabulary:\n\n" + vocabulary_table(proposal);
}

std::string training_reasons(const Proposal& proposal) {
  const Config& config = proposal.config;
  const Candidate& choice = proposal.choice();
  std::string out = fmt::format(
      "- `tokenizer`: byte-level BPE of {} entries, chosen with the model. A token is {:.2f} bytes of this text on "
      "average: {} tokens to train on.\n",
      format_count(choice.vocabulary.size), choice.vocabulary.bytes_per_token,
      grouped(proposal.text.tokens(choice.vocabulary.bytes_per_token)));
  out += fmt::format(
      "- `model`: Llama's kind (RMSNorm, rotary positions, SwiGLU, no biases), so that the checkpoints load in other "
      "tools; projections to the residual stream start at zero.\n"
      "- `model.dropout` {:g}: {} over the text with {} for each token of it{}\n",
      config.model.dropout, counted_about(choice.passes, "pass"),
      counted_about(choice.pressure / choice.passes, "parameter"),
      config.model.dropout > 0 ? "; without dropout the model would start to memorize the text."
                               : ": too few to memorize it.");
  out += fmt::format(
      "- `optimizer`: Muon at {:g} for the hidden matrices and AdamW at {:g} for the rest, lower for wider models; "
      "`kiln tune lr CONFIG` tests other rates.\n"
      "- `schedule`: a short warm-up, then constant, then down to zero over the last {:.0f}% of the time.\n"
      "- `train.batch_size` {}: {} tokens a step, about {}.\n"
      "- `train.time_budget`: the learning rate follows the clock and reaches its final value when the time is up, "
      "even if the machine does other work.\n"
      "- `train.eval_every` {}: about {}; the run keeps the best checkpoint.\n",
      config.optimizer.muon_learning_rate, config.optimizer.learning_rate, 100 * config.schedule.decay_fraction,
      choice.batch_size, format_count(choice.tokens_per_step()), counted_about(choice.steps(), "step"),
      config.train.eval_every,
      counted(std::llround(choice.steps() / static_cast<double>(config.train.eval_every)), "evaluation"));
  return out;
}

std::string reasons_of(const Proposal& proposal, const std::string& config, const std::string& time) {
  return fmt::format(
      "# Why {} is as it is\n\n"
      "`kiln new` made this config for {} of training on this machine.\n\n"
      "## The text\n\n"
      "{}\n"
      "## The size\n\n"
      "{}\n"
      "## The rest\n\n"
      "{}",
      std::filesystem::path(config).filename().string(), time, text_reasons(proposal.text), choice_reasons(proposal),
      training_reasons(proposal));
}

Json to_json(const Proposal& proposal, const Json& config) {
  Json candidates = Json::array();
  for (const Candidate& c : proposal.candidates) {
    candidates.push_back({{"n_layers", c.model.n_layers},
                          {"d_model", c.model.d_model},
                          {"n_ctx", c.model.n_ctx},
                          {"vocab_size", c.vocabulary.size},
                          {"bytes_per_token", c.vocabulary.bytes_per_token},
                          {"batch_size", c.batch_size},
                          {"parameters", c.parameters},
                          {"tokens_per_second", c.tokens_per_second},
                          {"tokens", c.tokens},
                          {"passes", c.passes},
                          {"expected_bits_per_byte", c.expected_bits}});
  }
  const SourceFiles& sources = proposal.text.sources;
  Json left = Json::object();
  for (const auto& [extension, count] : sources.left) left[extension] = count;
  Json json{{"config", config},
            {"files", {{"taken", sources.files.size()}, {"left", std::move(left)}}},
            {"candidates", std::move(candidates)},
            {"chosen", proposal.chosen}};
  json.update(busy_json(proposal.waited_share));
  return json;
}

/// Throws Error (usage) if the config or its reasons may not be written, and as find_source_files does.
void check_outputs(const NewOptions& options, const std::string& path, const std::string& reasons) {
  check(options.data != NewOptions().data || path_exists(options.data.front()),
        "there is no folder {}, which kiln new reads by default; name a text: kiln new --data FILES",
        options.data.front());
  check_output_file("--output", path, "mine.json");
  DataConfig data;
  options.reading.apply_to(data);
  const std::vector<std::filesystem::path> read = find_source_files(options.data, "--data", {}, data.include).files;
  for (const std::string& file : {path, reasons}) {
    check(options.overwrite || !path_exists(file),
          "{}: exists already; --output names another file, --overwrite replaces it", file);
    check_not_read(file, read);
  }
}

/// Writes a config for finetuning a model, and the reasons for it.
void run_new_finetuning(const NewOptions& options) {
  const std::string name = finetuning_name(options.init_from, options.data.front());
  const std::string path = options.output.empty() ? name + ".json" : options.output;
  const std::string reasons = path + ".why.md";
  check_outputs(options, path, reasons);
  DataConfig data;
  data.train = options.data;
  options.reading.apply_to(data);
  const Finetuning finetuning = choose_finetuning(options.init_from, data, options.time);
  const Json config = finetuning_json(finetuning, options.time);
  write_file_atomically(path, format_json(config));
  write_file_atomically(reasons, finetuning_reasons(finetuning, path));
  if (options.json) {
    return write_json({{"config", config},
                       {"parameters", finetuning.parameters},
                       {"tokens", finetuning.tokens},
                       {"tokens_per_second", finetuning.tokens_per_second},
                       {"steps", finetuning.steps},
                       {"passes", finetuning.passes}});
  }
  write_stdout(fmt::format("{}: {}\nthe reasons: {}\nnext:\n  kiln train {}\n", printable(path),
                           finetuning_summary(finetuning), printable(reasons), printable(path)));
}

void run_new(const NewOptions& options) {
  if (!options.init_from.empty()) return run_new_finetuning(options);
  const std::string asked = options.time.value_or(kUsualTime);
  const std::optional<Duration> time = parse_duration(asked);
  check(time.has_value(), "--for {}: a duration such as {} is expected", asked, kDurationExamples);
  const std::string name = name_of_path(options.data.front());
  const std::string path = options.output.empty() ? name + ".json" : options.output;
  const std::string reasons = path + ".why.md";
  check_outputs(options, path, reasons);
  Proposal proposal = [&] {
    Work work("measuring this machine", 1, "");
    DataConfig reading;
    options.reading.apply_to(reading);
    return propose(
        {.data = options.data, .seconds = time->seconds, .include = reading.include, .text_field = reading.text_field},
        [&](double share) { work.set_share(share); });
  }();
  proposal.config.name = name;
  Json config = brief_config(proposal.config);
  config["train"]["time_budget"] = asked;  // as given
  write_file_atomically(path, format_json(config));
  write_file_atomically(reasons, reasons_of(proposal, path, asked));
  if (options.json) return write_json(to_json(proposal, config));
  const Candidate& choice = proposal.choice();
  write_stdout(fmt::format(
      "{}: {} ({}, width {}, context {}, {}), about {} tokens, {} over the text\n"
      "the reasons: {}\n{}next:\n  kiln train {}\n",
      printable(path), counted(choice.parameters, "parameter"), counted(choice.model.n_layers, "layer"),
      choice.model.d_model, choice.model.n_ctx, counted(choice.vocabulary.size, "entry"), grouped(choice.tokens),
      counted_about(choice.passes, "pass"), printable(reasons), busy_note(proposal.waited_share), printable(path)));
}

}  // namespace

void add_new(CLI::App& app) {
  auto options = std::make_shared<NewOptions>();
  CLI::App* command = app.add_subcommand("new", "Write a config that suits a text, a time and this machine");
  add_repeated(*command, "--data", options->data, "text to train on: files, folders or globs")
      ->allow_extra_args()  // a shell expands a glob to several
      ->type_name("FILE");
  options->reading.add_to(*command);
  command
      ->add_option("--init-from", options->init_from,
                   "model to finetune: a run, a checkpoint, a Hugging Face folder or a file of llm.c")
      ->type_name("PATH");
  command->add_option("--for", options->time, "time of training; default with --init-from: three passes over the data")
      ->type_name("DURATION")
      ->default_str(kUsualTime);
  command->add_option("--output", options->output, "config to write; default: NAME.json, named after the text")
      ->type_name("CONFIG");
  command->add_flag("--overwrite", options->overwrite, "replace existing files");
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->footer(
      "It also writes CONFIG.why.md, with the measurements and the reason for each choice.\n"
      "Examples: kiln new --data data/tales.txt --for 10m && kiln train tales.json\n"
      "          kiln new --data project --include '*.py' --include '*.md'\n"
      "          kiln new --init-from gpt2 --data notes/*.txt --for 10m");
  command->callback([options] { run_new(*options); });
}

}  // namespace kiln::cli
