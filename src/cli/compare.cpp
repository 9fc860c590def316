// kiln compare: how often one model's answers are liked better than another's, and how far apart the models are.
#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/line_process.h"
#include "kiln/core/report.h"
#include "kiln/core/utf8.h"
#include "kiln/data/answer_rule.h"
#include "kiln/train/reward_model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/commands.h"
#include "cli/output.h"
#include "cli/pending_signals.h"
#include "cli/rank.h"
#include "cli/source_answers.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kiln::cli {
namespace {

constexpr std::string_view kHuman = "human";

struct CompareArguments {
  std::array<std::string, 2> runs;   // A and B
  std::vector<std::string> command;  // the judge, with its arguments
  std::string judge;
  double time_limit = 60;  // seconds for an answer of the command
  RankArguments rank;      // of a human judge
  bool json = false;
  Index best_of = 0;   // answers that A's is the best of; 0: A answers once
  std::string reward;  // the reward model that chooses it
  AnswerSettings settings;
};

/// A prompt that both models have answered.
struct Duel {
  const std::vector<ChatMessage>* messages;
  std::array<std::string, 2> answers;  // of A and of B
};

/// What a judge said: for each duel the share of A's win, 1, 0, or 0.5 for a tie.
struct Verdicts {
  std::vector<double> wins;
  std::array<std::vector<double>, 2> scores;  // of A's answers and of B's; none from a program
  Index without_score = 0;                    // ties because the reward model has no score for an answer
  std::optional<Share> same_in_both_orders;   // of a command: how often it named the same answer
  std::optional<Share> first_shown;           // of a command: how often it named the answer that came first
};

double share_of_win(double a, double b) { return a > b ? 1 : a < b ? 0 : 0.5; }

RewardModel load_reward_model(const std::string& run) {
  ModelArguments arguments;
  arguments.run = run;
  return RewardModel(arguments.load(ModelKind::reward));
}

/// Leaves of each prompt's answers the one with the highest score.
void keep_best(SourceAnswers& source, std::span<const std::vector<ChatMessage>> conversations,
               const std::string& reward) {
  std::vector<AnswerToScore> questions;
  for (std::size_t p = 0; p < conversations.size(); ++p) {
    for (const WrittenAnswer& answer : source.answers[p]) questions.push_back({conversations[p], answer.text});
  }
  const std::vector<std::optional<double>> scores = load_reward_model(reward).scores(questions);
  auto first = scores.begin();
  for (std::vector<WrittenAnswer>& answers : source.answers) {
    if (answers.empty()) continue;
    const auto end = first + std::ssize(answers);
    std::swap(answers.front(), answers[static_cast<std::size_t>(std::max_element(first, end) - first)]);
    answers.resize(1);
    first = end;
  }
}

Verdicts judge_by_reward(const std::string& run, std::span<const Duel> duels) {
  const RewardModel model = load_reward_model(run);
  std::vector<AnswerToScore> answers;
  for (const Duel& duel : duels) {
    for (const std::string& answer : duel.answers) answers.push_back({*duel.messages, answer});
  }
  const std::vector<std::optional<double>> scores = model.scores(answers);
  Verdicts verdicts;
  for (std::size_t i = 0; i < duels.size(); ++i) {
    const std::optional<double> a = scores[2 * i], b = scores[2 * i + 1];
    verdicts.wins.push_back(a && b ? share_of_win(*a, *b) : 0.5);
    verdicts.without_score += a && b ? 0 : 1;
    if (a) verdicts.scores[0].push_back(*a);
    if (b) verdicts.scores[1].push_back(*b);
  }
  return verdicts;
}

Verdicts judge_by_rule(const AnswerRule& rule, std::span<const Duel> duels) {
  Verdicts verdicts;
  for (const Duel& duel : duels) {
    const double a = rule.score(duel.answers[0]), b = rule.score(duel.answers[1]);
    verdicts.wins.push_back(share_of_win(a, b));
    verdicts.scores[0].push_back(a);
    verdicts.scores[1].push_back(b);
  }
  return verdicts;
}

/// Returns what a judge's line says: 0, 1, or nullopt for a tie.
std::optional<std::size_t> best_of_line(const std::string& line, const std::string& command) {
  const std::string source = fmt::format("{}: the line {}", command, in_quotes(line.substr(0, 200)));
  const Json json = parse_json(line, source);
  const Json best = json.is_object() ? json.value("best", Json("none")) : Json("none");
  if (best.is_null()) return std::nullopt;
  check_input(best == 0 || best == 1, "{}: {{\"best\": 0}}, 1 or null is expected", source);
  return best.get<std::size_t>();
}

/// Asks a program about each duel in both orders: a judge may prefer what comes first.
Verdicts judge_by_command(LineProcess& program, const std::string& name, double time_limit,
                          std::span<const Duel> duels) {
  Verdicts verdicts;
  std::vector<TrialGroup> same, first;
  Work work("judging", static_cast<double>(duels.size()), "prompts");
  for (const Duel& duel : duels) {
    Json messages = Json::array();
    for (const ChatMessage& message : *duel.messages) {
      messages.push_back({{"role", name_of(message.role)}, {"content", utf8_replace_invalid(message.content)}});
    }
    std::array<double, 2> wins{};  // of A, when it came first and when it came second
    TrialGroup was_first;
    for (const std::size_t order : {std::size_t{0}, std::size_t{1}}) {
      const Json question{{"messages", messages}, {"answers", {duel.answers[order], duel.answers[1 - order]}}};
      const std::optional<std::size_t> best = best_of_line(program.ask(question.dump(), time_limit), name);
      wins[order] = !best ? 0.5 : *best == order ? 1 : 0;
      if (best) was_first = {was_first.hits + (*best == 0 ? 1 : 0), was_first.trials + 1};
    }
    verdicts.wins.push_back((wins[0] + wins[1]) / 2);
    same.push_back({wins[0] == wins[1] ? 1.0 : 0.0, 1});
    if (was_first.trials > 0) first.push_back(was_first);
    work.add(1);
  }
  verdicts.same_in_both_orders = share_of(same);
  verdicts.first_shown = share_of(first);
  return verdicts;
}

/// Shows the answers to a person, and reports on all judgements of the output.
void judge_by_person(const CompareArguments& arguments, std::span<const Duel> duels) {
  std::vector<JudgedPrompt> prompts;
  for (const Duel& duel : duels) {
    prompts.push_back({.messages = *duel.messages,
                       .answers = {{.text = duel.answers[0], .source = utf8_replace_invalid(arguments.runs[0])},
                                   {.text = duel.answers[1], .source = utf8_replace_invalid(arguments.runs[1])}},
                       .judgements = {}});
  }
  RankArguments rank_arguments = arguments.rank;
  rank_arguments.file = arguments.settings.prompts;
  rank(prompts, rank_arguments);
  report_rankings(*rank_arguments.output, arguments.json);
}

std::string percent(double share) { return fmt::format("{:.1f}%", 100 * share); }

std::string interval_text(const Share& share) {
  return fmt::format("{}, 95% interval {} to {}", percent(share.value), percent(share.low), percent(share.high));
}

std::string text_of(const Mean& mean) {
  return fmt::format("{:.3f}, standard error {:.3f}", mean.value, mean.standard_error);
}

Json json_of(const Mean& mean) { return {{"mean", mean.value}, {"standard_error", mean.standard_error}}; }

/// How far A is from B.
struct Distance {
  std::optional<Mean> kl;            // in nats an answer
  std::optional<double> kl_at_most;  // of the best of several
};

void write_verdicts(const CompareArguments& arguments, const Verdicts& verdicts, const Distance& distance,
                    Index without_answer) {
  std::vector<TrialGroup> groups;
  Index wins = 0, losses = 0;
  for (const double win : verdicts.wins) {
    groups.push_back({win, 1});
    wins += win > 0.5 ? 1 : 0;
    losses += win < 0.5 ? 1 : 0;
  }
  const Share rate = share_of(groups);
  const Index prompts = std::ssize(verdicts.wins), ties = prompts - wins - losses;
  const auto share_json = [](const std::optional<Share>& share) {
    return share ? Json{{"share", share->value}, {"confidence_interval", {share->low, share->high}}} : Json();
  };
  std::array<std::optional<Mean>, 2> scores;
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    if (!verdicts.scores[i].empty()) scores[i] = mean_of(verdicts.scores[i]);
  }
  const auto mean_json = [](const std::optional<Mean>& mean) { return mean ? json_of(*mean) : Json(); };
  if (arguments.json) {
    return write_json({{"a", arguments.runs[0]},
                       {"b", arguments.runs[1]},
                       {"prompts", prompts},
                       {"without_answer", without_answer},
                       {"without_score", verdicts.without_score},
                       {"wins", wins},
                       {"ties", ties},
                       {"losses", losses},
                       {"win_rate", rate.value},
                       {"confidence_interval", {rate.low, rate.high}},
                       {"score_of_a", mean_json(scores[0])},
                       {"score_of_b", mean_json(scores[1])},
                       {"kl", mean_json(distance.kl)},
                       {"kl_at_most", or_null(distance.kl_at_most)},
                       {"same_in_both_orders", share_json(verdicts.same_in_both_orders)},
                       {"first_shown", share_json(verdicts.first_shown)}});
  }
  Table table;
  table.row({"A", arguments.runs[0]});
  table.row({"B", arguments.runs[1]});
  table.row({"prompts", format_count(prompts)});
  if (without_answer > 0) table.row({"without an answer", format_count(without_answer)});
  if (verdicts.without_score > 0)
    table.row({"equal, as the judge cannot score one", format_count(verdicts.without_score)});
  table.row({"A is better", format_count(wins)});
  table.row({"equal", format_count(ties)});
  table.row({"B is better", format_count(losses)});
  table.row({"win rate of A", interval_text(rate)});
  if (scores[0]) table.row({"mean score of A", text_of(*scores[0])});
  if (scores[1]) table.row({"mean score of B", text_of(*scores[1])});
  if (distance.kl) table.row({"KL(A|B), nats an answer", text_of(*distance.kl)});
  if (distance.kl_at_most) table.row({"KL(A|B), nats an answer", fmt::format("{:.3f} at most", *distance.kl_at_most)});
  if (verdicts.same_in_both_orders)
    table.row({"the judge says the same in both orders", interval_text(*verdicts.same_in_both_orders)});
  if (verdicts.first_shown && verdicts.first_shown->trials > 0)
    table.row({"the judge names the answer that comes first", interval_text(*verdicts.first_shown)});
  write_stdout(table.text() + "an equal pair counts as half a win\n");
}

using Judge = std::function<Verdicts(std::span<const Duel>)>;

/// Returns the judge that is no person. Opens it before any model answers.
Judge open_judge(const CompareArguments& arguments) {
  if (!arguments.command.empty()) {
    const std::string name = fmt::format("{}", fmt::join(arguments.command, " "));
    spdlog::info("the judge is: {}", name);
    const auto program = std::make_shared<LineProcess>(arguments.command);
    return [program, name, limit = arguments.time_limit](std::span<const Duel> duels) {
      return judge_by_command(*program, name, limit, duels);
    };
  }
  if (std::filesystem::is_regular_file(arguments.judge)) {
    const auto rule = std::make_shared<AnswerRule>(arguments.judge);
    return [rule](std::span<const Duel> duels) { return judge_by_rule(*rule, duels); };
  }
  require_kind(open_model(arguments.judge, std::nullopt, Verify::no), ModelKind::reward);
  return [run = arguments.judge](std::span<const Duel> duels) { return judge_by_reward(run, duels); };
}

void check_judge(const CompareArguments& arguments) {
  check(arguments.runs[0] != arguments.runs[1] || arguments.best_of > 0,
        "B: {} is also A; name two models, or let A's answer be the best of several (--best-of)", arguments.runs[0]);
  check((arguments.best_of > 0) == !arguments.reward.empty(),
        "--best-of, --reward: need each other: how many answers, and the reward model that chooses one");
  check(arguments.judge.empty() != arguments.command.empty(),
        "--judge: name a judge: a reward model, a rule (a file), human, or a program after --");
  check(arguments.time_limit > 0, "--time-limit {}: a number of seconds above 0 is expected", arguments.time_limit);
  check((arguments.judge == kHuman) == arguments.rank.output.has_value(),
        "--output: names the file of rankings of --judge human, and only of it");
}

std::array<SourceAnswers, 2> answers_of_both(const CompareArguments& arguments,
                                             std::span<const std::vector<ChatMessage>> conversations) {
  AnswerSettings settings = arguments.settings;
  settings.completion.generation.samples = std::max<Index>(1, arguments.best_of);
  // The best of several is then not drawn from the answers of B.
  if (arguments.best_of > 0) settings.completion.generation.seed += 1;
  std::array<SourceAnswers, 2> sources;
  sources[0] = answers_of(settings, arguments.runs[0], conversations);
  if (arguments.best_of > 0) keep_best(sources[0], conversations, arguments.reward);
  sources[1] = answers_of(arguments.settings, arguments.runs[1], conversations);
  return sources;
}

Distance distance_of(const CompareArguments& arguments, std::span<const std::vector<ChatMessage>> conversations,
                     std::span<const SourceAnswers, 2> sources) {
  if (arguments.best_of == 0) return {divergence_of(arguments.settings, arguments.runs, conversations, sources), {}};
  if (arguments.runs[0] != arguments.runs[1]) return {};
  const auto n = static_cast<double>(arguments.best_of);
  return {{}, std::log(n) - (n - 1) / n};  // arXiv:2401.01879
}

void run_compare(const CompareArguments& arguments) {
  arguments.settings.completion.generation.validate();
  check_judge(arguments);
  std::optional<UsualSignals> signals;  // before any thread starts, which would take a person's Ctrl-C
  if (arguments.judge == kHuman) signals.emplace(is_person());
  const Judge judge = arguments.judge == kHuman ? Judge() : open_judge(arguments);
  if (arguments.best_of > 0) require_kind(open_model(arguments.reward, std::nullopt, Verify::no), ModelKind::reward);
  const std::vector<std::vector<ChatMessage>> conversations = arguments.settings.conversations();
  std::array<SourceAnswers, 2> sources = answers_of_both(arguments, conversations);
  std::vector<Duel> duels;
  for (std::size_t p = 0; p < conversations.size(); ++p) {
    const auto &a = sources[0].answers[p], &b = sources[1].answers[p];
    if (!a.empty() && !b.empty()) duels.push_back({&conversations[p], {a.front().text, b.front().text}});
  }
  signals.reset();
  check(!duels.empty(), "no prompt leaves room for an answer; give shorter ones");
  if (!judge) return judge_by_person(arguments, duels);
  write_verdicts(arguments, judge(duels), distance_of(arguments, conversations, sources),
                 std::ssize(conversations) - std::ssize(duels));
}

}  // namespace

void add_compare(CLI::App& app) {
  const auto arguments = std::make_shared<CompareArguments>();
  CLI::App* command =
      app.add_subcommand("compare", "Let two models answer prompts, and count whose answers are better");
  command->add_option("A", arguments->runs[0], "a model: a run directory, checkpoint folder or Hugging Face folder")
      ->required()
      ->type_name("RUN");
  command->add_option("B", arguments->runs[1], "the model to compare it with")->required()->type_name("RUN");
  command
      ->add_option("COMMAND", arguments->command,
                   "after --: a program that judges, and its arguments. It reads lines {\"messages\": [...], "
                   "\"answers\": [x, y]} and answers each with {\"best\": 0}, 1, or null for a tie")
      ->type_name("PROGRAM")
      ->default_str("");
  command
      ->add_option("--judge", arguments->judge,
                   "who says which answer is better: a reward model, a rule (see kiln rank --rule), or human")
      ->type_name("RUN|FILE|human");
  arguments->settings.add_to(*command);
  command->add_option("--time-limit", arguments->time_limit, "seconds within which the program must answer")
      ->type_name("SECONDS");
  add_count(*command, "--best-of", arguments->best_of,
            "A draws so many answers, and a reward model chooses one; B may then be the same model", 1, 1000);
  command->add_option("--reward", arguments->reward, "the reward model that chooses for --best-of")->type_name("RUN");
  command->add_option("--output", arguments->rank.output, "file of rankings of --judge human")->type_name("FILE");
  command->add_option("--rater", arguments->rank.rater, "name of the person who judges; default: $USER")
      ->type_name("NAME");
  add_quiet_flag(*command);
  add_json_flag(*command, arguments->json);
  command->footer(
      "Each model answers each prompt once. A program is asked in both orders, since a judge may like best what comes\n"
      "first. The program is started without a shell.\n"
      "KL(A|B) is the mean of A's log p of its answer less B's. It is left out where the draws are not from A's whole\n"
      "distribution (--top-k, --greedy, ...), or the models read different tokens.\n"
      "Examples: kiln compare runs/dpo runs/sft --prompts held_out.txt --judge runs/reward\n"
      "          kiln compare runs/dpo runs/sft --prompts held_out.txt -- python3 judge.py --strict");
  command->callback([arguments] { run_compare(*arguments); });
}

}  // namespace kiln::cli
