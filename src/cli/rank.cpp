// kiln rank: a person ranks answers, best to worst, without knowing which model wrote them.
#include "cli/rank.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/core/terminal.h"
#include "kiln/core/utc_time.h"
#include "kiln/core/utf8.h"
#include "kiln/data/agreement.h"
#include "kiln/data/answer_rule.h"
#include "kiln/data/report_json.h"

#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/line_source.h"
#include "cli/output.h"
#include "cli/rank_report.h"
#include "cli/rank_session.h"
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>

namespace kiln::cli {
namespace {

std::string rater_of(const RankArguments& arguments) {
  const char* user = std::getenv("USER");
  const std::string default_name = arguments.rule    ? "rule-" + hex(hash_file(*arguments.rule)).substr(0, 8)
                                   : user != nullptr ? user
                                                     : "";
  std::string rater = arguments.rater.value_or(default_name);
  check(!rater.empty() && utf8_valid_until(rater) == rater.size(),
        "--rater: name the person who ranks, such as --rater ann");
  return rater;
}

/// Judges every showing by a rule, and skips those whose answers it likes alike.
void rank_by_rule(const AnswerRule& rule, std::span<const JudgedPrompt> prompts, std::span<const Showing> showings,
                  RankingLog& log) {
  Index judged = 0, skipped = 0, known = 0;
  for (const Showing& showing : showings) {
    if (log.has(showing)) {
      ++known;
      continue;
    }
    std::map<double, std::vector<std::size_t>, std::greater<>> by_score;
    for (const std::size_t answer : showing.shown()) {
      by_score[rule.score(prompts[showing.prompt].answers[answer].text)].push_back(answer);
    }
    Verdict verdict;
    for (auto& [score, answers] : by_score) verdict.order.push_back(std::move(answers));
    if (verdict.order.size() < 2) verdict.order.clear();
    ++(verdict.order.empty() ? skipped : judged);
    log.add(prompts[showing.prompt], showing, verdict, utc_now());
  }
  spdlog::info("{} ranked by the rule, {} skipped, whose answers it likes alike; {} were judged before",
               counted(judged, "prompt"), format_count(skipped), format_count(known));
}

}  // namespace

JudgedPrompts read_file_of_answers(const std::string& file, SamePrompt same) {
  const std::filesystem::path path = file;
  return read_judgements(std::span(&path, 1), same);
}

std::vector<Showing> showings_to_rank(std::span<const JudgedPrompt> prompts, const RankArguments& arguments,
                                      const std::string& rater) {
  const std::string& option = arguments.output_option;
  check(arguments.output.has_value(), "{}: name the file to which judgements are added, such as rankings.jsonl",
        option);
  check(arguments.repeat >= 0 && arguments.repeat <= 1, "--repeat: {} is not a share from 0 to 1", arguments.repeat);
  check_output_file(option, *arguments.output, "rankings.jsonl");
  std::error_code none;
  check(!std::filesystem::equivalent(arguments.file, *arguments.output, none),
        "{} {}: is the file of answers; name another one", option, *arguments.output);
  const double repeat = arguments.rule ? 0 : arguments.repeat;  // a rule says the same twice
  std::vector<Showing> showings = showings_for(prompts, rater, arguments.seed, repeat);
  const auto shown = std::ranges::count(showings, 0, &Showing::pass);
  check_input(shown > 0, "{}: no prompt has from 2 to {} different answers; kiln answers --count 4 writes some",
              arguments.file, kMostShown);
  if (std::ssize(prompts) > shown) {
    spdlog::warn(
        "{}: {} are left out: they repeat another one, or have fewer than 2 different answers, or more than {}",
        arguments.file, counted(std::ssize(prompts) - shown, "prompt"), kMostShown);
  }
  return showings;
}

void add_ranking_options(CLI::App& command, RankArguments& arguments) {
  command.add_option("--rater", arguments.rater, "name of the person who ranks; default: $USER")->type_name("NAME");
  add_count(command, "--seed", arguments.seed, "seed of the order in which a prompt's answers are shown");
  command.add_option("--repeat", arguments.repeat,
                     "share of the prompts that come again later, with their answers in reverse order, to measure how "
                     "consistent the rater is");
}

bool is_person() { return is_terminal(STDIN_FILENO) && is_terminal(STDOUT_FILENO); }

void report_rankings(const std::string& file, bool json) {
  const JudgedPrompts read = read_file_of_answers(file, SamePrompt::join);
  const JudgementReport report = report_on(read.prompts);
  json ? write_json(report_json(read.census, report)) : write_stdout(report_text(read.census, report));
}

void rank(std::span<const JudgedPrompt> prompts, const RankArguments& arguments) {
  const std::string rater = rater_of(arguments);
  std::vector<Showing> showings = showings_to_rank(prompts, arguments, rater);
  if (arguments.rule) {
    const AnswerRule rule(*arguments.rule);
    RankingLog log(*arguments.output, rater);
    return rank_by_rule(rule, prompts, showings, log);
  }
  const bool asks_person = is_person();
  PendingSignals signals(asks_person);
  RankingLog log(*arguments.output, rater);
  std::unique_ptr<LineSource> lines = asks_person ? make_line_editor(signals, std::nullopt) : nullptr;
  if (!lines) lines = std::make_unique<PlainLines>(signals, asks_person);
  RankSession(prompts, std::move(showings), log, *lines, asks_person).run();
}

void add_rank(CLI::App& app) {
  const auto arguments = std::make_shared<RankArguments>();
  CLI::App* command = app.add_subcommand("rank", "Rank answers, best to worst, or report on rankings");
  command
      ->add_option("FILE", arguments->file,
                   "answers, as kiln answers writes them, or judged answers in any shape that kiln reads")
      ->required()
      ->type_name("FILE");
  command->add_option("--output", arguments->output, "file to which judgements are added; several raters may share it")
      ->type_name("FILE");
  add_ranking_options(*command, *arguments);
  command
      ->add_option("--rule", arguments->rule,
                   "JSON file with patterns that score answers, in place of a person: {\"patterns\": [{\"pattern\": "
                   "\"\\\\bglad\\\\b\", \"score\": 1, \"most\": 3}]}")
      ->type_name("FILE");
  command->add_flag("--report", arguments->report,
                    "print agreement, the noise ceiling of a reward model and the sources' win rates, of --output, or "
                    "else of FILE");
  command->add_flag("--json", arguments->json, "with --report: print JSON")->needs("--report");
  command->footer(
      "Type the letters of the answers, the best first: b a c. Join equals by =: b a=c d. ? lists the commands.\n"
      "Each judgement is on the disk at once, and a later start continues where this one ended. Piped input works as "
      "a\n"
      "script, which ends with the first error.\n"
      "Example: kiln rank answers.jsonl --output rankings.jsonl --rater ann");
  command->callback([arguments] {
    if (arguments->report) return report_rankings(arguments->output.value_or(arguments->file), arguments->json);
    rank(read_file_of_answers(arguments->file, SamePrompt::keep).prompts, *arguments);
  });
}

}  // namespace kiln::cli
