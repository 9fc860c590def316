// kiln inspect: shows a model's predictions after each token of a text.
#include "kiln/infer/inspect.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/utf8.h"
#include "kiln/infer/prompt.h"
#include "kiln/run/run_directory.h"

#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

namespace kiln::cli {
namespace {

constexpr const char* kUntrained = "0";  // the step whose checkpoint holds the initial weights

struct InspectOptions {
  ModelArguments model;
  std::string prompt;
  Index top = 10;
  bool untrained = false;
  bool allow_special = false;
  bool next = false;  // show only the predictions after the text
  bool json = false;
};

/// Returns the token's bytes; none for a row of the embedding without a token in the tokenizer.
std::string bytes_of(const Tokenizer& tokenizer, TokenId token) {
  return token < tokenizer.vocab_size() ? tokenizer.token_bytes(token) : std::string();
}

std::string shown(const Tokenizer& tokenizer, TokenId token) { return in_quotes(bytes_of(tokenizer, token)); }

/// Returns a token as JSON. Its text has U+FFFD for part of a character; its bytes are exact.
Json token_json(const Tokenizer& tokenizer, TokenId token) {
  const std::string bytes = bytes_of(tokenizer, token);
  Json numbers = Json::array();
  for (const char byte : bytes) numbers.push_back(static_cast<unsigned char>(byte));
  return {{"id", token}, {"text", utf8_replace_invalid(bytes)}, {"bytes", std::move(numbers)}};
}

Json to_json(const Tokenizer& tokenizer, const std::vector<TokenProbability>& top) {
  Json entries = Json::array();
  for (const TokenProbability& entry : top) {
    entries.push_back({{"token", token_json(tokenizer, entry.token)}, {"probability", entry.probability}});
  }
  return entries;
}

Json to_json(const Tokenizer& tokenizer, const std::vector<Prediction>& predictions) {
  Json entries = Json::array();
  for (const Prediction& prediction : predictions) {
    entries.push_back({{"token", token_json(tokenizer, prediction.token)},
                       {"loss", prediction.loss},
                       {"probability", prediction.probability},
                       {"rank", prediction.rank},
                       {"top", to_json(tokenizer, prediction.top)}});
  }
  return entries;
}

/// Returns a bar of up to 20 cells in eighths of a cell, padded to its full width.
std::string bar(double share) {
  constexpr int kCells = 20;
  constexpr std::array<std::string_view, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kCells * 8));
  std::string text;
  for (int cell = 0; cell < eighths / 8; ++cell) text += "█";
  text += kEighths[static_cast<std::size_t>(eighths % 8)];
  return text + std::string(static_cast<std::size_t>(kCells - (eighths + 7) / 8), ' ');
}

/// Returns one line per entry: rank, probability, token. Marks `came`.
std::string top_lines(const Tokenizer& tokenizer, const std::vector<TokenProbability>& top,
                      std::optional<TokenId> came = std::nullopt) {
  std::string text;
  for (std::size_t i = 0; i < top.size(); ++i) {
    text += fmt::format("{:>6}  {:7.3f} %  {}  {}{}\n", i + 1, 100 * top[i].probability, bar(top[i].probability),
                        shown(tokenizer, top[i].token), top[i].token == came ? "  <- came" : "");
  }
  return text;
}

std::string mean_line(const std::vector<Prediction>& predictions, Index vocab_size) {
  double loss = 0;
  for (const Prediction& p : predictions) loss += p.loss;
  loss /= static_cast<double>(predictions.size());
  return fmt::format("\n{}: mean loss {:.4f} nats, perplexity {:.2f} (a uniform guess: {:.4f} nats, {})\n",
                     counted(std::ssize(predictions), "prediction"), loss, std::exp(loss),
                     std::log(static_cast<double>(vocab_size)), vocab_size);
}

/// Returns the table of predictions after the last token.
std::string next_table(const Tokenizer& tokenizer, TokenId last, const Inspection& inspection) {
  return fmt::format("after {} may come\n", shown(tokenizer, last)) + top_lines(tokenizer, inspection.next);
}

/// Returns a block for each prediction, and one for the predictions after the last token.
std::string table(const Tokenizer& tokenizer, std::span<const TokenId> tokens, const Inspection& inspection,
                  Index vocab_size) {
  const std::vector<Prediction>& predictions = inspection.predictions;
  const std::span<const TokenId> before = tokens.last(predictions.size() + 1);
  std::string text;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const Prediction& p = predictions[i];
    text += fmt::format("after {} came {}: probability {:.3f} %, rank {}, loss {:.4f} nats\n",
                        shown(tokenizer, before[i]), shown(tokenizer, p.token), 100 * p.probability, p.rank, p.loss);
    text += top_lines(tokenizer, p.top, p.token) + "\n";
  }
  text += next_table(tokenizer, before.back(), inspection);
  return predictions.empty() ? text : text + mean_line(predictions, vocab_size);
}

void run_inspect(const InspectOptions& options) {
  ModelArguments model = options.model;
  if (options.untrained) {
    check(is_run_directory(model.run),
          "--untrained: {} is not a run directory, and only a run of kiln train keeps its untrained weights",
          model.run);
    model.checkpoint = kUntrained;
  }
  const LoadedModel loaded = ModelArguments::load_in_float(model.open());
  const std::optional<Config>& config = loaded.source.config;
  const bool began_untrained = config && !config->init_from && config->data.names_data();
  check(!options.untrained || began_untrained, "--untrained: {} started from trained weights (init_from)", model.run);
  const Tokenizer& tokenizer = *loaded.tokenizer;
  const std::vector<TokenId> tokens =
      encode_prompt(tokenizer, loaded.ids(), read_prompt_argument(options.prompt),
                    options.allow_special ? SpecialTokens::allow : SpecialTokens::as_text);
  warn_of_long_prompts({&tokens, 1}, loaded.model->config().n_ctx);
  const Inspection inspection = inspect(loaded.view(), tokens, options.top);
  if (options.json) {
    return write_json(options.next ? to_json(tokenizer, inspection.next) : to_json(tokenizer, inspection.predictions));
  }
  write_stdout(options.next ? next_table(tokenizer, tokens.back(), inspection)
                            : table(tokenizer, tokens, inspection, loaded.model->vocab_size()));
}

}  // namespace

void add_inspect(CLI::App& app) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App* command = app.add_subcommand("inspect", "Show what a model expects after each token of a text");
  options->model.add_to(*command);
  command
      ->add_option("PROMPT,--prompt", options->prompt,
                   "text; -: read it from standard input and drop the line end that echo adds. The first token has a "
                   "prediction only if the tokenizer has a start token. kiln takes the end of a text that is longer "
                   "than the context")
      ->required()
      ->type_name("TEXT");
  add_count(*command, "--top", options->top, "number of likeliest tokens to show at each position", 1);
  command->add_flag("--next", options->next,
                    "show only the predictions of the next token; with --json an array of token and probability");
  command->add_flag("--untrained", options->untrained, "use the run's initial weights, before training")
      ->excludes(command->get_option("--checkpoint"));
  command->add_flag("--allow-special", options->allow_special,
                    "read special tokens in the text as tokens, and insert none");
  add_json_flag(*command, options->json);
  command->callback([options] { run_inspect(*options); });
}

}  // namespace kiln::cli
