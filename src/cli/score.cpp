// kiln score: scores answers by a reward model, and compares its scores with people's judgements.
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/data/agreement.h"
#include "kiln/train/reward_model.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kiln::cli {
namespace {

struct ScoreArguments {
  ModelArguments model;
  std::vector<std::string> data;
  std::string output, best;
  bool json = false;
};

using Scores = std::vector<std::vector<std::optional<double>>>;  // of each prompt's answers

Scores score_all(const RewardModel& model, std::span<const JudgedPrompt> prompts) {
  std::vector<AnswerToScore> answers;
  for (const JudgedPrompt& prompt : prompts) {
    for (const JudgedAnswer& answer : prompt.answers) answers.push_back({prompt.messages, answer.text});
  }
  const std::vector<std::optional<double>> flat = model.scores(answers);
  Scores scores;
  auto next = flat.begin();
  for (const JudgedPrompt& prompt : prompts) {
    const auto end = next + std::ssize(prompt.answers);
    scores.emplace_back(next, end);
    next = end;
  }
  return scores;
}

Json messages_json(const std::vector<ChatMessage>& messages) {
  Json list = Json::array();
  for (const ChatMessage& message : messages) {
    list.push_back({{"role", name_of(message.role)}, {"content", message.content}});
  }
  return list;
}

/// Returns a line for each prompt: its messages and its answers with their scores.
std::string scored_lines(std::span<const JudgedPrompt> prompts, const Scores& scores) {
  std::string lines;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    Json answers = Json::array();
    for (std::size_t a = 0; a < prompts[p].answers.size(); ++a) {
      const JudgedAnswer& answer = prompts[p].answers[a];
      answers.push_back({{"text", answer.text}, {"score", or_null(scores[p][a])}});
      if (!answer.source.empty()) answers.back()["source"] = answer.source;
    }
    lines += Json{{"messages", messages_json(prompts[p].messages)}, {"answers", std::move(answers)}}.dump() + "\n";
  }
  return lines;
}

/// Returns a conversation for each prompt that has a scored answer: with the best one.
std::string best_lines(std::span<const JudgedPrompt> prompts, const Scores& scores) {
  std::string lines;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    const auto best = std::ranges::max_element(scores[p]);  // nullopt is less than any score
    if (best == scores[p].end() || !*best) continue;
    std::vector<ChatMessage> messages = prompts[p].messages;
    messages.push_back(
        {ChatRole::assistant, prompts[p].answers[static_cast<std::size_t>(best - scores[p].begin())].text});
    lines += Json{{"messages", messages_json(messages)}}.dump() + "\n";
  }
  return lines;
}

/// Mean and spread of all scores.
struct Spread {
  Index answers = 0, without_score = 0;
  double mean = 0, deviation = 0, least = 0, most = 0;
};

Spread spread_of(const Scores& scores) {
  Spread spread;
  std::vector<double> all;
  for (const auto& of_prompt : scores) {
    for (const std::optional<double>& score : of_prompt) {
      score ? all.push_back(*score) : void(++spread.without_score);
    }
  }
  spread.answers = std::ssize(all);
  check(!all.empty(), "--data: no answer fits into the model's context");
  const auto [least, most] = std::ranges::minmax(all);
  spread.least = least;
  spread.most = most;
  for (const double score : all) spread.mean += score / static_cast<double>(all.size());
  double squares = 0;
  for (const double score : all) squares += (score - spread.mean) * (score - spread.mean);
  spread.deviation = std::sqrt(squares / static_cast<double>(all.size()));
  return spread;
}

std::string percent(double share) { return fmt::format("{:.1f}%", 100 * share); }

std::string to_text(const Spread& spread, const RewardReport& report, const JudgementReport& people) {
  Table table;
  table.row({"answers", format_count(spread.answers)});
  if (spread.without_score > 0) table.row({"empty or too long", format_count(spread.without_score)});
  table.row({"mean score", fmt::format("{:.3f}", spread.mean)});
  table.row({"deviation", fmt::format("{:.3f}", spread.deviation)});
  table.row({"least to most", fmt::format("{:.3f} to {:.3f}", spread.least, spread.most)});
  if (report.accuracy.trials == 0) return table.text() + "\nno pairs were judged, so there is no accuracy\n";
  table.row({"judged pairs", format_count(std::llround(report.accuracy.trials))});
  table.row({"accuracy", fmt::format("{}, 95% interval {} to {}", percent(report.accuracy.value),
                                     percent(report.accuracy.low), percent(report.accuracy.high))});
  table.row({"log loss", fmt::format("{:.4f} nats (0.6931 by chance)", report.log_loss)});
  if (people.ceiling) {
    table.row({"ceiling", fmt::format("{} (from {} to {}), since the raters disagree", percent(people.ceiling->likely),
                                      percent(people.ceiling->low), percent(people.ceiling->high))});
  }
  table.heading("calibration");
  table.row({"probability", "pairs", "mean", "right", "95% interval"});
  for (const CalibrationBin& bin : report.calibration) {
    table.row({fmt::format("{:.0f}% to {:.0f}%", 100 * bin.low, 100 * bin.high),
               format_count(std::llround(bin.right.trials)), percent(bin.mean), percent(bin.right.value),
               fmt::format("{} to {}", percent(bin.right.low), percent(bin.right.high))});
  }
  return table.text();
}

Json to_json(const Spread& spread, const RewardReport& report, const JudgementReport& people) {
  Json json{{"answers", spread.answers},
            {"too_long", spread.without_score},
            {"mean", spread.mean},
            {"deviation", spread.deviation},
            {"least", spread.least},
            {"most", spread.most},
            {"pairs", report.accuracy.trials}};
  const auto interval = [](const Share& share) { return Json{share.low, share.high}; };
  const bool is_judged = report.accuracy.trials > 0;
  json["accuracy"] = is_judged ? Json(report.accuracy.value) : Json();
  json["confidence_interval"] = is_judged ? interval(report.accuracy) : Json();
  json["log_loss"] = is_judged ? Json(report.log_loss) : Json();
  json["ceiling"] = people.ceiling ? Json{{"likely", people.ceiling->likely},
                                          {"low", people.ceiling->low},
                                          {"high", people.ceiling->high},
                                          {"log_loss", people.ceiling->log_loss}}
                                   : Json();
  json["calibration"] = Json::array();
  for (const CalibrationBin& bin : report.calibration) {
    json["calibration"].push_back({{"low", bin.low},
                                   {"high", bin.high},
                                   {"pairs", bin.right.trials},
                                   {"mean", bin.mean},
                                   {"right", bin.right.value},
                                   {"confidence_interval", interval(bin.right)}});
  }
  return json;
}

void run_score(const ScoreArguments& arguments) {
  for (const auto& [option, file] : {std::pair("--output", arguments.output), {"--best", arguments.best}}) {
    if (!file.empty()) check_output_file(option, file, "scores.jsonl");
  }
  check(arguments.output.empty() || arguments.output != arguments.best, "--best {}: is also --output; name two files",
        arguments.best);
  std::vector<std::filesystem::path> files(arguments.data.begin(), arguments.data.end());
  check_not_read(arguments.output, files);
  check_not_read(arguments.best, files);
  const JudgedPrompts read = read_judgements(files);
  warn_of_skipped(read.census, "--data");
  check_input(!read.prompts.empty(), "--data: {}: no prompt with answers", name_of_files(files));
  const RewardModel model(arguments.model.load(ModelKind::reward));
  const Scores scores = score_all(model, read.prompts);
  if (!arguments.output.empty()) write_file_atomically(arguments.output, scored_lines(read.prompts, scores));
  if (!arguments.best.empty()) write_file_atomically(arguments.best, best_lines(read.prompts, scores));
  const RewardReport report = report_on_scores(read.prompts, scores, model);
  const JudgementReport people = report_on(read.prompts);
  const Spread spread = spread_of(scores);
  arguments.json ? write_json(to_json(spread, report, people)) : write_stdout(to_text(spread, report, people));
}

}  // namespace

void add_score(CLI::App& app) {
  const auto arguments = std::make_shared<ScoreArguments>();
  CLI::App* command =
      app.add_subcommand("score", "Score answers by a reward model, and compare the scores with judgements");
  arguments->model.add_to(*command);
  arguments->model.add_precision_to(*command);
  add_repeated(*command, "--data", arguments->data,
               "answers, as kiln answers writes them, or judged answers in any shape that kiln reads")
      ->allow_extra_args()
      ->required()
      ->type_name("FILE");
  command->add_option("--output", arguments->output, "file to write: each prompt, its answers and their scores")
      ->type_name("FILE");
  command
      ->add_option("--best", arguments->best,
                   "file to write: a conversation for each prompt, with its best answer, to finetune on")
      ->type_name("FILE");
  add_quiet_flag(*command);
  add_json_flag(*command, arguments->json);
  command->footer(
      "A score is the model's number at the end of the answer, less the mean of its held-out answers, in units of "
      "their\n"
      "standard deviation. Accuracy: the share of judged pairs whose better answer has the higher score.\n"
      "Example: kiln score runs/reward --data rankings.jsonl");
  command->callback([arguments] { run_score(*arguments); });
}

}  // namespace kiln::cli
