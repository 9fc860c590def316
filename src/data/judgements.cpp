// Reads all records, drops those that were taken back, and joins those about the same prompt.
#include "kiln/data/judgements.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/core/report.h"
#include "kiln/data/rankings.h"

#include "data/judgement_shapes.h"
#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace kiln {
namespace {

/// Returns a text that is equal for equal prompts alone.
std::string key_of(std::span<const ChatMessage> messages) {
  std::string key;
  for (const ChatMessage& message : messages) {
    key += fmt::format("{} {}\n{}", name_of(message.role), message.content.size(), message.content);
  }
  return key;
}

/// Renames answers, and leaves out those that have become a repetition.
void rename(std::vector<std::size_t>& answers, const std::vector<std::size_t>& names, std::vector<bool>& seen) {
  std::vector<std::size_t> renamed;
  for (const std::size_t answer : answers) {
    if (seen[names[answer]]) continue;
    seen[names[answer]] = true;
    renamed.push_back(names[answer]);
  }
  answers = std::move(renamed);
}

/// Adds a judgement for each good answer: better than all bad ones.
void judge_by_thumbs(JudgedPrompt& prompt, JudgementCensus& census) {
  std::vector<std::size_t> good, bad;
  for (std::size_t i = 0; i < prompt.answers.size(); ++i) {
    const JudgedAnswer& answer = prompt.answers[i];
    if (answer.thumbs_up > 0 && answer.thumbs_down > 0) {
      JudgementCensus::Skipped& skipped = census.skipped[JudgementSkip::both_thumbs];
      if (++skipped.count == 1) skipped.place = prompt.place;
    } else if (answer.thumbs_up > 0) {
      good.push_back(i);
    } else if (answer.thumbs_down > 0) {
      bad.push_back(i);
    }
  }
  constexpr std::size_t kMostPairs = 1'000'000;
  check_input(good.size() * bad.size() <= kMostPairs,
              "{}: this prompt has {} good and {} bad answers; at most {} pairs of them fit", prompt.place,
              format_count(std::ssize(good)), format_count(std::ssize(bad)), format_count(kMostPairs));
  if (bad.empty()) return;
  for (const std::size_t answer : good) prompt.judgements.push_back({.order = {{answer}}, .rest = bad});
}

void count(const JudgedPrompt& prompt, JudgementCensus& census) {
  ++census.prompts;
  census.without_judgement += prompt.judgements.empty() ? 1 : 0;
  census.answers += std::ssize(prompt.answers);
  census.edits += std::ranges::count(prompt.answers, true, &JudgedAnswer::is_edit);
  for (const Judgement& judgement : prompt.judgements) {
    ++census.judgements;
    ++census.raters[judgement.rater];
    for (const JudgedPair& pair : pairs_of(judgement)) ++(pair.is_tie ? census.ties : census.pairs);
  }
}

/// Collects prompts from records.
class Joiner {
 public:
  Joiner(std::vector<JudgedPrompt>& prompts, SamePrompt same) : prompts_(prompts), same_(same) {}

  /// Adds the answers and judgements of one record to the prompt that they belong to.
  void add(JudgedPrompt record) {
    std::size_t place = prompts_.size();
    if (same_ == SamePrompt::join) place = places_.try_emplace(key_of(record.messages), place).first->second;
    if (place == prompts_.size()) {
      prompts_.push_back({.messages = record.messages, .answers = {}, .judgements = {}, .place = record.place});
    }
    JudgedPrompt& prompt = prompts_[place];
    std::vector<std::size_t> names;
    for (JudgedAnswer& answer : record.answers) names.push_back(add_answer(place, std::move(answer)));
    for (Judgement& judgement : record.judgements) {
      std::vector<bool> seen(prompt.answers.size()), shown(prompt.answers.size());
      for (std::vector<std::size_t>& group : judgement.order) rename(group, names, seen);
      std::erase_if(judgement.order, [](const std::vector<std::size_t>& group) { return group.empty(); });
      rename(judgement.rest, names, seen);
      rename(judgement.shown, names, shown);
      if (pairs_of(judgement).empty()) continue;  // of one answer alone
      prompt.judgements.push_back(std::move(judgement));
    }
  }

 private:
  /// Returns the number of an answer to a prompt; adds it if it is new.
  std::size_t add_answer(std::size_t place, JudgedAnswer answer) {
    std::vector<JudgedAnswer>& answers = prompts_[place].answers;
    const std::uint64_t hash = hash_bytes(trim_content(answer.text), place);
    const auto [begin, end] = answers_.equal_range(hash);
    for (auto at = begin; at != end; ++at) {
      if (at->second.first != place) continue;
      JudgedAnswer& known = answers[at->second.second];
      const bool is_same =
          known.source == answer.source && known.is_edit == answer.is_edit && is_same_answer(known.text, answer.text);
      if (!is_same) continue;
      known.thumbs_up += answer.thumbs_up;
      known.thumbs_down += answer.thumbs_down;
      return at->second.second;
    }
    answers_.emplace(hash, std::pair(place, answers.size()));
    answers.push_back(std::move(answer));
    return answers.size() - 1;
  }

  std::vector<JudgedPrompt>& prompts_;
  SamePrompt same_;
  std::unordered_map<std::string, std::size_t> places_;                                  // of prompts
  std::unordered_multimap<std::uint64_t, std::pair<std::size_t, std::size_t>> answers_;  // prompt and number, by hash
};

/// The records of the files that still stand.
class StandingRecords {
 public:
  explicit StandingRecords(JudgementCensus& census) : census_(census) {}

  void add(JudgementRecord record, const std::string& place) {
    for (const JudgementSkip reason : record.skipped) {
      JudgementCensus::Skipped& skipped = census_.skipped[reason];
      if (++skipped.count == 1) skipped.place = place;
    }
    if (record.key) {
      const auto [earlier, is_new] = standing_.try_emplace(*record.key, records_.size());
      if (!is_new) {
        census_.undone += records_[earlier->second].prompts.empty() ? 0 : 1;
        records_[earlier->second] = {};
        earlier->second = records_.size();
      }
      if (record.is_undo) standing_.erase(earlier);
    }
    records_.push_back(std::move(record));
  }

  std::vector<JudgementRecord> take() { return std::move(records_); }

 private:
  JudgementCensus& census_;
  std::vector<JudgementRecord> records_;
  std::map<JudgementKey, std::size_t> standing_;  // the last record of each key
};

}  // namespace

std::string_view text_of(JudgementSkip reason) {
  constexpr std::array<std::string_view, 6> kTexts{"without answers",
                                                   "without a prompt",
                                                   "with equal answers",
                                                   "whose conversations differ before the last answer",
                                                   "with an answer that is not text",
                                                   "with a thumb up and a thumb down for one answer"};
  return kTexts[static_cast<std::size_t>(reason)];
}

std::vector<JudgedPair> pairs_of(const Judgement& judgement) {
  std::vector<JudgedPair> pairs;
  for (std::size_t group = 0; group < judgement.order.size(); ++group) {
    const std::vector<std::size_t>& better = judgement.order[group];
    for (std::size_t i = 0; i < better.size(); ++i) {
      for (std::size_t j = i + 1; j < better.size(); ++j) pairs.push_back({better[i], better[j], true});
      for (std::size_t below = group + 1; below < judgement.order.size(); ++below) {
        for (const std::size_t worse : judgement.order[below]) pairs.push_back({better[i], worse, false});
      }
      for (const std::size_t worse : judgement.rest) pairs.push_back({better[i], worse, false});
    }
  }
  return pairs;
}

void warn_of_skipped(const JudgementCensus& census, std::string_view key) {
  for (const auto& [reason, skipped] : census.skipped) {
    warn("{}: {} {}, the first at {}: left out", key, counted(skipped.count, "record"), text_of(reason), skipped.place);
  }
}

JudgedPrompts read_judgements(std::span<const std::filesystem::path> files, SamePrompt same) {
  JudgedPrompts read;
  StandingRecords records(read.census);
  for (const std::filesystem::path& file : files) {
    bool has_rankings = false;
    const auto take = [&](const JsonRecord& record, std::int64_t number) {
      const std::string place = record_place(file, number);
      JudgementRecord taken = judgements_of(record, place);
      has_rankings = has_rankings || taken.key.has_value();
      records.add(std::move(taken), place);
    };
    for_each_json_record(file, "judged answers", take, [&](std::string_view line, const std::string& place) {
      return is_cut_ranking(has_rankings, line, place);
    });
  }
  Joiner joiner(read.prompts, same);
  for (JudgementRecord& record : records.take()) {
    read.census.skips += record.is_skip ? 1 : 0;
    for (JudgedPrompt& prompt : record.prompts) joiner.add(std::move(prompt));
  }
  for (JudgedPrompt& prompt : read.prompts) {
    judge_by_thumbs(prompt, read.census);
    count(prompt, read.census);
  }
  return read;
}

std::int64_t count_shared(std::span<const JudgedPrompt> some, std::span<const JudgedPrompt> others) {
  std::unordered_set<std::string> keys;
  for (const JudgedPrompt& prompt : others) {
    if (!prompt.judgements.empty()) keys.insert(key_of(prompt.messages));
  }
  return std::ranges::count_if(some, [&](const JudgedPrompt& prompt) {
    return !prompt.judgements.empty() && keys.contains(key_of(prompt.messages));
  });
}

}  // namespace kiln
