// Judged answers of every shape: orders name the prompt's answers, each once, and written as kiln's own lines they are
// read as the same.
#include "kiln/data/judgements.h"

#include <nlohmann/json.hpp>

#include "target.h"
#include <algorithm>
#include <string>
#include <vector>

namespace kiln::fuzz {
namespace {

JudgedPrompts read_all_judged(const std::filesystem::path& file) { return read_judgements(std::span(&file, 1)); }

/// Requires numbers of answers, none of which has been seen.
void require_new(const std::vector<std::size_t>& answers, std::vector<bool>& seen, const JudgedPrompt& prompt) {
  for (const std::size_t answer : answers) {
    require(answer < seen.size(), "{}: answer {} of {}", prompt.place, answer, seen.size());
    require(!seen[answer], "{}: answer {} stands twice", prompt.place, answer);
    seen[answer] = true;
  }
}

/// The lines that are read as this prompt, if no rater wrote an answer to it.
std::string lines_of(const JudgedPrompt& prompt) {
  nlohmann::json line{{"messages", nlohmann::json::array()}, {"answers", nlohmann::json::array()}};
  for (const ChatMessage& message : prompt.messages)
    line["messages"].push_back({{"role", name_of(message.role)}, {"content", message.content}});
  for (const JudgedAnswer& answer : prompt.answers)
    line["answers"].push_back({{"text", answer.text}, {"source", answer.source}});
  if (prompt.judgements.empty()) return line.dump() + "\n";
  std::string lines;
  for (const Judgement& judgement : prompt.judgements) {
    line["order"] = judgement.order;
    line["rest"] = judgement.rest;
    line["rater"] = judgement.rater;
    lines += line.dump() + "\n";
  }
  return lines;
}

}  // namespace

void fuzz_judgements(std::string_view input) {
  static const Folder folder;
  const JudgedPrompts read = read_all_judged(folder.put(input.starts_with('[') ? "a.json" : "a.jsonl", input));
  std::string lines;
  std::int64_t judgements = 0;
  for (const JudgedPrompt& prompt : read.prompts) {
    require(!prompt.messages.empty() && !prompt.answers.empty(), "{}: no prompt or no answers", prompt.place);
    for (const Judgement& judgement : prompt.judgements) {
      std::vector<bool> seen(prompt.answers.size()), shown(prompt.answers.size());
      for (const std::vector<std::size_t>& group : judgement.order) require_new(group, seen, prompt);
      require_new(judgement.rest, seen, prompt);
      require_new(judgement.shown, shown, prompt);
      require(!pairs_of(judgement).empty(), "{}: a judgement compares nothing", prompt.place);
    }
    judgements += std::ssize(prompt.judgements);
    if (std::ranges::count(prompt.answers, true, &JudgedAnswer::is_edit) == 0) lines += lines_of(prompt);
  }
  require(judgements == read.census.judgements, "{} judgements, {} counted", judgements, read.census.judgements);
  if (read.census.edits > 0) return;
  const JudgedPrompts again = must([&] { return read_all_judged(folder.put("written.jsonl", lines)); });
  require(again.census.pairs == read.census.pairs && again.census.ties == read.census.ties &&
              again.census.answers == read.census.answers,
          "{} pairs and {} ties written, {} and {} read", read.census.pairs, read.census.ties, again.census.pairs,
          again.census.ties);
}

}  // namespace kiln::fuzz
