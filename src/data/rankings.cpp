// Lines are self-contained, and none is ever changed: a crash loses at most the one being written.
#include "kiln/data/rankings.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/hash.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/core/rng.h"
#include "kiln/core/utf8.h"

#include <nlohmann/json.hpp>

#include "data/judgement_shapes.h"
#include <algorithm>
#include <numeric>
#include <set>

namespace kiln {
namespace {

constexpr std::size_t kBetweenRepeats = 20;
constexpr std::string_view kLineStart = R"({"rater":)";  // of every line that line_start begins

bool is_json(std::string_view line) { return Json::accept(line.begin(), line.end()); }

Json line_start(const std::string& rater, const std::string& item, std::int64_t pass, const std::string& time) {
  return {{"rater", rater}, {"item", item}, {"pass", pass}, {"time", time}};
}

/// Returns the answers in groups of the same text, in a random order.
std::vector<std::vector<std::size_t>> shuffled_groups(const JudgedPrompt& prompt, Rng& rng) {
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < prompt.answers.size(); ++i) {
    const auto found = std::ranges::find_if(groups, [&](const std::vector<std::size_t>& group) {
      return is_same_answer(prompt.answers[group.front()].text, prompt.answers[i].text);
    });
    if (found != groups.end()) {
      found->push_back(i);
    } else {
      groups.push_back({i});
    }
  }
  for (std::size_t i = groups.size(); i > 1; --i) std::swap(groups[i - 1], groups[rng.below(i)]);
  return groups;
}

}  // namespace

bool is_cut_ranking(bool follows_rankings, std::string_view line, const std::string& place) {
  const bool is_ranking = follows_rankings || line.starts_with(kLineStart);
  if (is_ranking) warn("{}: the line is incomplete and counts as not written; was kiln rank killed?", place);
  return is_ranking;
}

std::string item_of(const JudgedPrompt& prompt) {
  std::uint64_t hash = 0;
  for (const ChatMessage& message : prompt.messages) {
    hash = hash_bytes(name_of(message.role), hash);
    hash = hash_bytes(message.content, hash);
  }
  hash = hash_bytes("answers", hash);
  for (const JudgedAnswer& answer : prompt.answers) {
    hash = hash_bytes(answer.text, hash);
    hash = hash_bytes(answer.source, hash);
  }
  return hex(hash);
}

std::vector<std::size_t> Showing::shown() const {
  std::vector<std::size_t> answers;
  for (const std::vector<std::size_t>& group : groups) answers.insert(answers.end(), group.begin(), group.end());
  return answers;
}

std::vector<Showing> showings_for(std::span<const JudgedPrompt> prompts, const std::string& rater, std::uint64_t seed,
                                  double repeat) {
  std::vector<Showing> first, again;
  std::vector<std::size_t> due;  // the number of first showings after which each of `again` comes
  std::set<std::string> known;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    Showing showing{.prompt = i, .item = item_of(prompts[i]), .groups = {}};
    Rng rng(seed, "rank/" + rater, hash_bytes(showing.item));
    showing.groups = shuffled_groups(prompts[i], rng);
    if (showing.groups.size() < 2 || showing.groups.size() > kMostShown || !known.insert(showing.item).second) continue;
    first.push_back(showing);
    if (rng.uniform() >= repeat) continue;
    showing.pass = 1;
    std::ranges::reverse(showing.groups);
    again.push_back(std::move(showing));
    due.push_back(first.size() + kBetweenRepeats);
  }
  std::vector<Showing> all;
  std::size_t repeated = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    all.push_back(std::move(first[i]));
    if (repeated < again.size() && due[repeated] <= i + 1) all.push_back(std::move(again[repeated++]));
  }
  for (; repeated < again.size(); ++repeated) all.push_back(std::move(again[repeated]));
  return all;
}

RankingLog::RankingLog(const std::filesystem::path& file, std::string rater)
    : rater_(std::move(rater)), lines_(file, is_json) {
  bool has_rankings = false;
  const auto take = [&](const JsonRecord& record, std::int64_t number) {
    const std::string place = line_place(file, number);
    const JudgementRecord read = judgements_of(record, place);
    check_input(read.key.has_value(), "{}: is not a line of kiln rank; name another file with --output", place);
    has_rankings = true;
    if (read.key->rater == rater_) note({read.key->item, read.key->pass, read.is_skip}, read.is_undo);
  };
  for_each_json_line(path_exists(file) ? read_file(file) : "", file, take,
                     [&](std::string_view line, const std::string& place) {
                       return is_cut_ranking(has_rankings || kLineStart.starts_with(line), line, place);
                     });
}

std::vector<RankingLog::Entry>::const_iterator RankingLog::find(const Showing& showing) const {
  return std::ranges::find_if(
      judged_, [&](const Entry& entry) { return entry.item == showing.item && entry.pass == showing.pass; });
}

void RankingLog::note(Entry entry, bool is_undo) {
  std::erase_if(judged_, [&](const Entry& other) { return other.item == entry.item && other.pass == entry.pass; });
  if (!is_undo) judged_.push_back(std::move(entry));
  skipped_ = std::ranges::count(judged_, true, &Entry::is_skip);
}

void RankingLog::add(const JudgedPrompt& prompt, const Showing& showing, const Verdict& verdict,
                     const std::string& time) {
  Json line = line_start(rater_, showing.item, showing.pass, time);
  const bool is_skip = verdict.order.empty() && verdict.rest.empty() && verdict.edit.empty();
  if (is_skip) {
    line["skip"] = true;
  } else {
    Json& messages = line["messages"] = Json::array();
    for (const ChatMessage& message : prompt.messages) {
      messages.push_back({{"role", name_of(message.role)}, {"content", message.content}});
    }
    Json& answers = line["answers"] = Json::array();
    for (const JudgedAnswer& answer : prompt.answers) {
      answers.push_back({{"text", answer.text}, {"source", answer.source}});
    }
    line["shown"] = showing.shown();
    line["order"] = verdict.order;
    if (!verdict.rest.empty()) line["rest"] = verdict.rest;
    if (!verdict.edit.empty()) line["edit"] = utf8_replace_invalid(verdict.edit);
  }
  if (!verdict.note.empty()) line["note"] = utf8_replace_invalid(verdict.note);
  line["seconds"] = verdict.seconds;
  lines_.append(line.dump());
  note({showing.item, showing.pass, is_skip}, false);
}

std::optional<std::pair<std::string, std::int64_t>> RankingLog::undo(const std::string& time) {
  if (judged_.empty()) return std::nullopt;
  const Entry last = judged_.back();
  Json line = line_start(rater_, last.item, last.pass, time);
  line["undo"] = true;
  lines_.append(line.dump());
  note(last, true);
  return std::pair(last.item, last.pass);
}

}  // namespace kiln
