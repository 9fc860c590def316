// Asks in turn, and asks again when the program fails.
#include "train/command_reward.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/utf8.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <utility>

namespace kiln {
namespace {

constexpr int kAttempts = 3;
constexpr int kShownColumns = 80;

std::string question_about(const DrawnAnswer& answer) {
  Json messages = Json::array();
  for (const ChatMessage& message : answer.messages) {
    messages.push_back({{"role", name_of(message.role)}, {"content", utf8_replace_invalid(message.content)}});
  }
  Json question{{"messages", std::move(messages)}, {"answer", utf8_replace_invalid(answer.text)}};
  if (!answer.expected.empty()) question["expected"] = utf8_replace_invalid(answer.expected);
  return question.dump();
}

}  // namespace

CommandReward::CommandReward(RewardConfig config)
    : config_(std::move(config)), shown_(shown_command(config_.command)) {}

std::vector<double> CommandReward::score(std::span<const DrawnAnswer> answers, const WhileWaiting& while_waiting) {
  for (int attempt = 1;; ++attempt) {
    try {
      std::vector<double> scores = ask_all(answers, while_waiting);
      if (program_) program_->check_silent();
      return scores;
    } catch (const UnaskedOutput& error) {  // some score may belong to another answer: none of them counts
      program_.reset();
      const std::string name = fmt::format("reward \"{}\"", config_.shown_name());
      if (attempt == kAttempts) fail_for_good(name, error);
      warn("{}: {}; starting it again, for {}", name, error.what(), counted(std::ssize(answers), "answer"));
    }
  }
}

std::vector<double> CommandReward::ask_all(std::span<const DrawnAnswer> answers, const WhileWaiting& while_waiting) {
  std::vector<double> scores;
  Work work("scoring by " + config_.command.front(), static_cast<double>(answers.size()), "answers");
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::string which =
        fmt::format("reward \"{}\", answer {} of {}", config_.shown_name(), i + 1, answers.size());
    scores.push_back(ask(question_about(answers[i]), which, while_waiting));
    work.add(1);
  }
  return scores;
}

double CommandReward::ask(const std::string& question, const std::string& which, const WhileWaiting& while_waiting) {
  for (int attempt = 1;; ++attempt) {
    if (!std::exchange(is_announced_, true)) inform("reward \"{}\" is computed by: {}", config_.shown_name(), shown_);
    if (!program_) program_ = std::make_unique<LineProcess>(config_.command);
    try {
      return number_of(program_->ask(question, config_.time_limit, while_waiting));
    } catch (const UnaskedOutput&) {
      throw;
    } catch (const Error& error) {  // a run of days is to outlive a program's crash
      program_.reset();
      if (attempt == kAttempts) fail_for_good(which, error);
      warn("{}: {}; starting it again", which, error.what());
    } catch (...) {  // the wait was ended: an answer that comes later is not of the next question
      program_.reset();
      throw;
    }
  }
}

void CommandReward::fail_for_good(const std::string& which, const Error& error) const {
  fail(ExitCode::io,
       "{}: {}; it has failed {} times in a row; run it by hand to see why: it reads lines {{\"messages\": [...], "
       "\"answer\": \"...\", \"expected\": \"...\"}} and answers each with a number within {:g} s, written at once",
       which, error.what(), kAttempts, config_.time_limit);
}

double CommandReward::number_of(const std::string& line) const {
  const Json json = Json::parse(line, nullptr, false);
  const Json number = json.is_object() ? json.value("reward", Json()) : json;
  if (number.is_number() && std::isfinite(number.get<double>())) return number.get<double>();
  fail(ExitCode::failure, "{}: has written \"{}\"; a number, or {{\"reward\": a number}}, is expected", shown_,
       shortened(printable(line), kShownColumns));
}

}  // namespace kiln
