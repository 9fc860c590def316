// kiln data show: prints a run's first training examples as the model sees them, and counts what the data hold.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/terminal.h"
#include "kiln/core/threads.h"
#include "kiln/data/source_files.h"
#include "kiln/run/run_directory.h"
#include "kiln/train/data_preview.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <unistd.h>
#include <utility>

namespace kiln::cli {
namespace {

struct DataShowOptions {
  ConfigArguments config;
  Index count = 3;
  bool json = false;
};

/// Returns tokens as text: special ones in bold, or, without colour, in ⟦⟧. Text that spells one looks otherwise.
std::string shown(std::span<const TokenId> ids, const Tokenizer& tokenizer, bool color) {
  std::string text;
  const auto is_special = [&](TokenId id) { return tokenizer.special_by_id(id) != nullptr; };
  while (!ids.empty()) {
    const auto length = static_cast<std::size_t>(std::ranges::find_if(ids, is_special) - ids.begin());
    const std::span<const TokenId> part = ids.first(std::max<std::size_t>(length, 1));
    const std::string spelled = printable_lines(tokenizer.decode(part));
    text += length > 0 ? spelled : color ? "\033[1m" + spelled + "\033[22m" : "⟦" + spelled + "⟧";
    ids = ids.subspan(part.size());
  }
  return text;
}

/// Returns stretches of equal supervision as text: supervised ones in green, or, without colour, in 「」.
std::string marked(const DataExample& example, const Tokenizer& tokenizer, bool color) {
  std::string text;
  for (std::size_t begin = 0, end = 0; begin < example.ids.size(); begin = end) {
    const bool supervised = example.supervised[begin] != 0;
    while (end < example.ids.size() && (example.supervised[end] != 0) == supervised) ++end;
    const std::string part = shown(std::span(example.ids).subspan(begin, end - begin), tokenizer, color);
    if (!supervised) {
      text += part;
    } else {
      text += color ? "\033[32m" + part + "\033[0m" : "「" + part + "」";
    }
  }
  return text;
}

double share(Index part, Index whole) { return static_cast<double>(part) / static_cast<double>(whole); }

/// Returns a line for each source of data.mix.
std::string sources_table(const DataPreview& preview) {
  if (preview.sources.empty()) return "";
  Table table;
  table.row({"source", "share", "passes", "conversations", "tokens", "supervised", "longest", "left out", "cut"});
  for (const SourceCensus& source : preview.sources) {
    const ChatCensus& census = source.census;
    table.row({source.name, fmt::format("{:.1f}%", 100 * share(source.draws, preview.epoch)),
               fmt::format("{:.2f}", share(source.draws, census.conversations)), format_count(census.conversations),
               format_count(census.tokens), fmt::format("{:.1f}%", 100 * share(census.supervised, census.tokens)),
               format_count(census.longest), format_count(census.dropped + census.without_answer),
               format_count(census.cut)});
  }
  return "\n" + table.text();
}

std::string packing_of(const DataPreview& preview) {
  return fmt::format("{:.1f}% of the rows hold tokens", 100 * preview.packing);
}

std::string judged_table(const DataPreview& preview) {
  const PreferenceCensus& census = *preview.judged;
  Table table;
  table.row({"answers", format_count(census.answers)});
  table.row({"comparisons", format_count(census.comparisons)});
  table.row({"ties", format_count(census.ties)});
  table.row({"tokens", format_count(census.tokens)});
  table.row({"longest", counted(census.longest, "token")});
  table.row({"prompts cut", format_count(census.cut)});
  table.row({"answers too long", format_count(census.too_long) + " left out"});
  table.row({"empty answers", format_count(census.empty) + " left out"});
  table.row({"equal answers", counted(census.equal, "comparison") + " left out"});
  table.row({"without a comparison", counted(census.left_out, "prompt") + " left out"});
  table.row({"packing", packing_of(preview)});
  return table.text();
}

std::string to_text(const DataPreview& preview, bool color) {
  std::string text;
  for (std::size_t i = 0; i < preview.examples.size(); ++i) {
    const DataExample& example = preview.examples[i];
    text += fmt::format("-- example {}: {}{}, {} of them supervised\n{}\n", i + 1,
                        example.label + (example.label.empty() ? "" : ", "), counted(std::ssize(example.ids), "token"),
                        format_count(std::ranges::count(example.supervised, 1)),
                        marked(example, *preview.tokenizer, color));
  }
  text += fmt::format("-- {} in one pass\n", counted(preview.epoch, preview.unit));
  if (preview.judged) return text + judged_table(preview);
  if (!preview.census) return text;
  const ChatCensus& census = *preview.census;
  Table table;
  const bool is_mix = !preview.sources.empty();  // whose conversations a pass draws more than once, or not all
  if (is_mix) table.row({"different conversations", format_count(census.conversations)});
  table.row({is_mix ? "tokens of these" : "tokens", format_count(census.tokens)});
  table.row({"supervised", fmt::format("{:.1f}%", 100 * share(census.supervised, census.tokens))});
  table.row({"ends of answers", format_count(census.ends)});
  table.row({"longest", counted(census.longest, "token")});
  table.row({"too long", format_count(census.dropped) + " left out"});
  table.row({"cut", format_count(census.cut)});
  table.row({"without an answer", format_count(census.without_answer) + " left out"});
  table.row({"packing", packing_of(preview)});
  return text + table.text() + sources_table(preview);
}

Json to_json(const ChatCensus& census) {
  return {{"conversations", census.conversations},
          {"tokens", census.tokens},
          {"supervised", census.supervised},
          {"supervised_share", share(census.supervised, census.tokens)},
          {"supervised_ends", census.ends},
          {"longest", census.longest},
          {"too_long", census.dropped},
          {"cut", census.cut},
          {"without_answer", census.without_answer}};
}

Json to_json(const PreferenceCensus& census) {
  return {{"answers", census.answers},   {"comparisons", census.comparisons},
          {"ties", census.ties},         {"tokens", census.tokens},
          {"longest", census.longest},   {"prompts_cut", census.cut},
          {"too_long", census.too_long}, {"empty", census.empty},
          {"equal", census.equal},       {"without_comparison", census.left_out}};
}

Json to_json(const DataPreview& preview) {
  Json examples = Json::array();
  for (const DataExample& example : preview.examples) {
    examples.push_back(
        {{"text", preview.tokenizer->decode(example.ids)}, {"ids", example.ids}, {"supervised", example.supervised}});
    if (!example.label.empty()) examples.back()["judged"] = example.label;
  }
  Json counts = {{"examples", preview.epoch}};
  if (preview.census) {
    counts.update(to_json(*preview.census));
    counts["packing"] = preview.packing;
  }
  if (preview.judged) {
    counts.update(to_json(*preview.judged));
    counts["packing"] = preview.packing;
  }
  Json result{{"examples", std::move(examples)}, {"census", std::move(counts)}};
  for (const SourceCensus& source : preview.sources) {
    Json held{{"name", source.name},
              {"weight", source.weight},
              {"share", share(source.draws, preview.epoch)},
              {"draws", source.draws}};
    held.update(to_json(source.census));
    result["sources"].push_back(std::move(held));
  }
  return result;
}

/// Throws Error (usage) if a run's text has gone; the message names what needs no text.
void check_text_of_run(const std::filesystem::path& named, const Config& config) {
  const bool is_config = named.filename() == RunPaths{}.config();
  const std::filesystem::path run = is_config ? named.parent_path() / "." : named;
  if (!is_folder(run) || !is_run_directory(run)) return;
  const auto is_there = [&](const std::string& name) {
    try {
      return !find_source_files({config.locate(name).string()}, "", {}, config.data.include).files.empty();
    } catch (const Error&) {
      return false;
    }
  };
  const auto gone = std::ranges::find_if_not(config.data.train, is_there);
  if (gone == config.data.train.end()) return;
  const std::string of_run = shell_quoted(is_config ? named.parent_path().string() : named.string());
  const std::string advice =
      fmt::format("; the run keeps its tokens: kiln eval {} and kiln train {} --resume need no text", of_run, of_run);
  fail(ExitCode::usage, "{}: the run's text {} has gone; name its new place with --set data.train=FILE{}",
       named.string(), (config.places().front() / *gone).lexically_normal().string(),
       is_folder(RunPaths{run}.tokens()) ? advice : "");
}

void run_data_show(const DataShowOptions& options) {
  check(options.count >= 0, "--count {}: a number of examples is expected", options.count);
  const Config config = read_config(options.config.config, options.config.overrides);
  set_threads(config.train.threads);
  check_text_of_run(options.config.config, config);
  const DataPreview preview = preview_data(config, options.count, {});
  options.json ? write_json(to_json(preview)) : write_stdout(to_text(preview, output_has_color(STDOUT_FILENO)));
}

}  // namespace

void add_data(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Look at the data of a config");
  data->require_subcommand(1);
  auto options = std::make_shared<DataShowOptions>();
  CLI::App* command =
      data->add_subcommand("show", "Print training examples as the model sees them, and count the data");
  options->config.add_to(*command);
  add_count(*command, "--count", options->count, "number of examples", 0)->type_name("N");
  add_quiet_flag(*command);
  add_json_flag(*command, options->json);
  command->footer(
      "Special tokens are bold (if there is no colour, in ⟦⟧). The loss scores the green text (the text in 「」). Of a "
      "mix, a\n"
      "pass draws some conversations more than once; the tokens are counted once.\n"
      "Example: kiln data show configs/chatbot.json --count 5");
  command->callback([options] { run_data_show(*options); });
}

}  // namespace kiln::cli
