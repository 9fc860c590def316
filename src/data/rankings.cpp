// Lines are self-contained, and none is ever changed: a crash loses at most the one being written.
#include "kiln/data/rankings.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/file_streams.h"
#include "kiln/core/hash.h"
#include "kiln/core/json.h"
#include "kiln/core/report.h"
#include "kiln/core/rng.h"
#include "kiln/core/utf8.h"

#include <nlohmann/json.hpp>

#include "data/judgement_shapes.h"
#include <algorithm>
#include <cmath>
#include <set>
#include <sys/stat.h>

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

ShownOrder completed_order(std::vector<std::vector<std::size_t>> groups, std::size_t count) {
  std::vector<bool> seen(count);
  check(!groups.empty(), "the order names no answer; name the best one first");
  for (const std::vector<std::size_t>& group : groups) {
    check(!group.empty(), "the order has an empty group; leave it out");
    for (const std::size_t place : group) {
      check(place < count, "answer number {} of the order does not exist; the {} answers have the numbers 0 to {}",
            place, count, count - 1);
      check(!seen[place], "{} stands twice; name each answer once", static_cast<char>('a' + place));
      seen[place] = true;
    }
  }
  ShownOrder order{.groups = std::move(groups), .rest = {}};
  for (std::size_t place = 0; place < count; ++place) {
    if (!seen[place]) order.rest.push_back(place);
  }
  if (order.rest.size() == 1) order.groups.push_back(std::exchange(order.rest, {}));
  return order;
}

Verdict verdict_of(const Showing& showing, const std::optional<ShownOrder>& order, Remarks remarks) {
  const auto answers_at = [&](const std::vector<std::size_t>& places) {
    std::vector<std::size_t> answers;
    for (const std::size_t place : places)
      answers.insert(answers.end(), showing.groups[place].begin(), showing.groups[place].end());
    return answers;
  };
  Verdict verdict{.order = {},
                  .edit = std::move(remarks.edit),
                  .note = std::move(remarks.note),
                  .seconds = std::round(remarks.seconds * 10) / 10};
  if (order) {
    for (const std::vector<std::size_t>& equals : order->groups) verdict.order.push_back(answers_at(equals));
    verdict.rest = answers_at(order->rest);
  } else if (!verdict.edit.empty()) {
    verdict.rest = showing.shown();
  }
  return verdict;
}

RankingLog::RankingLog(std::filesystem::path file, std::string rater)
    : file_(std::move(file)), rater_(std::move(rater)) {
  const SharedAppender created(file_, is_json);
  take(read_file(file_), true);
}

void RankingLog::refresh() {
  struct stat status {};
  const bool is_there = ::stat(file_.c_str(), &status) == 0;
  const auto size = is_there ? static_cast<std::uint64_t>(status.st_size) : 0;
  if (is_there && status.st_dev == device_ && status.st_ino == inode_ && size == position_) return;
  if (!is_there) return take("", true);
  const FileReader reader(file_);
  const bool is_other = status.st_dev != device_ || status.st_ino != inode_ || reader.size() < position_;
  const std::uint64_t begin = is_other ? 0 : position_;
  std::string bytes(static_cast<std::size_t>(reader.size() - begin), '\0');
  reader.read(begin, std::as_writable_bytes(std::span(bytes)));
  take(bytes, is_other);
}

/// Takes in what follows of the file, or its whole text from the start on.
void RankingLog::take(std::string_view text, bool is_start) {
  if (is_start) {
    struct stat status {};
    const bool is_there = ::stat(file_.c_str(), &status) == 0;
    device_ = is_there ? status.st_dev : 0;
    inode_ = is_there ? status.st_ino : 0;
    judged_.clear();
    position_ = 0;
    lines_ = skipped_ = 0;
  }
  bool has_rankings = position_ > 0;
  std::size_t cut = 0;
  const auto visit = [&](const JsonRecord& record, std::int64_t number) {
    const std::string place = line_place(file_, number);
    const JudgementRecord read = judgements_of(record, place);
    check_input(read.key.has_value(), "{}: is not a line of kiln rank; name another file for the rankings", place);
    has_rankings = true;
    if (read.key->rater == rater_) note({read.key->item, read.key->pass}, read.is_skip, read.is_undo);
  };
  const auto leave_out = [&](std::string_view line, const std::string& place) {
    cut = line.size();
    return !is_start || is_cut_ranking(has_rankings || kLineStart.starts_with(line), line, place);
  };
  lines_ = for_each_json_line(text, file_, visit, leave_out, lines_ + 1) - 1;
  position_ += text.size() - cut;
}

std::size_t RankingLog::next(std::span<const Showing> showings) const {
  const auto next = std::ranges::find_if(showings, [&](const Showing& showing) { return !has(showing); });
  return static_cast<std::size_t>(next - showings.begin());
}

std::size_t RankingLog::left(std::span<const Showing> showings) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(showings, [&](const Showing& showing) { return !has(showing); }));
}

std::optional<ShowingKey> RankingLog::last() const {
  const auto last = std::ranges::max_element(judged_, {}, [](const auto& entry) { return entry.second.number; });
  return last == judged_.end() ? std::nullopt : std::optional(last->first);
}

void RankingLog::note(const ShowingKey& key, bool is_skip, bool is_undo) {
  if (const auto earlier = judged_.find(key); earlier != judged_.end()) {
    skipped_ -= earlier->second.is_skip ? 1 : 0;
    judged_.erase(earlier);
  }
  if (is_undo) return;
  judged_[key] = {.number = ++noted_, .is_skip = is_skip};
  skipped_ += is_skip ? 1 : 0;
}

/// Opens the file by its name each time: an editor may have replaced it since.
void RankingLog::append(const std::string& line) const { SharedAppender(file_, is_json).append(line); }

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
  append(line.dump());
  note({showing.item, showing.pass}, is_skip, false);
}

std::optional<ShowingKey> RankingLog::undo(const std::string& time) {
  std::optional<ShowingKey> key = last();
  if (!key) return std::nullopt;
  Json line = line_start(rater_, key->first, key->second, time);
  line["undo"] = true;
  append(line.dump());
  note(*key, false, true);
  return key;
}

}  // namespace kiln
