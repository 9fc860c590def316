// The file in which people's rankings are kept, and what is shown to a rater next.
//
// Each line is a JSON object. The keys of a judgement:
//   rater, item, pass   its key: the rater's name, the hash of the prompt and its answers, and 0, or 1 for a repetition
//   messages, answers   the prompt, and the answers as {"text", "source"}, so that a line can be read by itself
//   shown               the answers' numbers, from 0 on, in the order in which the rater saw them
//   order, rest         lists of numbers, best to worst, each a group of equals; and the numbers of those that are
//                       worse than all of them but were not compared with each other
//   edit, note          what the rater would have said; a remark. Both are optional
//   seconds, time       how long the rater took; when, in UTC
// A line with "skip": true instead says that the rater did not want to judge, one with "undo": true takes the line with
// the same key back. Of lines with one key the last one counts.
#pragma once

#include "kiln/core/file_streams.h"
#include "kiln/data/judgements.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// Returns true, and warns, if a last line that has no line feed and is not JSON is one that kiln rank has not
/// finished: it follows lines of kiln rank, or begins as they do. Readers leave it out; the next append removes it.
bool is_cut_ranking(bool follows_rankings, std::string_view line, const std::string& place);

/// Returns the hash of a prompt and its answers, in 16 hexadecimal digits.
std::string item_of(const JudgedPrompt& prompt);

/// A prompt as it is shown to a rater.
struct Showing {
  std::size_t prompt = 0;                        // its place in the list
  std::string item;                              // item_of(prompt)
  std::int64_t pass = 0;                         // 1: a repetition
  std::vector<std::vector<std::size_t>> groups;  // the answers in the order shown; those with the same text are one

  /// Returns the answers' numbers in the order shown.
  std::vector<std::size_t> shown() const;
};

/// The most answers of a prompt that can be shown: each has a letter, a to i.
inline constexpr std::size_t kMostShown = 9;

/// Returns what a rater is shown, in order: a pure function of the arguments. Leaves out prompts with fewer than two
/// different answers, or more than kMostShown. The order of the answers is a random permutation for each rater, seed
/// and prompt. A share `repeat` of the prompts, chosen the same way, comes again, with the answers in reverse order,
/// after about twenty others or at the end. Of equal prompts only the first is shown.
std::vector<Showing> showings_for(std::span<const JudgedPrompt> prompts, const std::string& rater, std::uint64_t seed,
                                  double repeat);

/// What a rater says about a showing. Neither an order, nor a rest, nor an edit: the rater skips it.
struct Verdict {
  std::vector<std::vector<std::size_t>> order;  // best to worst, of the answers' numbers
  std::vector<std::size_t> rest = {};
  std::string edit = {}, note = {};
  double seconds = 0;
};

/// One rater's part of a rankings file, which other raters may write at the same time.
class RankingLog {
 public:
  /// Creates a missing file, and reads what the rater has judged. An incomplete last line, which a killed process has
  /// left, counts as not written. Throws Error (bad_input) for a file that is not one of rankings, and (io).
  RankingLog(const std::filesystem::path& file, std::string rater);

  /// Returns whether the rater has judged or skipped a showing.
  bool has(const Showing& showing) const { return find(showing) != judged_.end(); }

  /// Returns the number of showings judged, and skipped.
  std::int64_t judged() const { return std::ssize(judged_) - skipped_; }
  std::int64_t skipped() const { return skipped_; }

  /// Appends a line, which is on the disk when it returns. `time` is in UTC, such as "2026-01-31T12:00:00Z". Throws
  /// Error (io), and has then changed nothing.
  void add(const JudgedPrompt& prompt, const Showing& showing, const Verdict& verdict, const std::string& time);

  /// Appends a line that takes the rater's last judgement or skip back. Returns its item and pass; nullopt if there is
  /// none. Throws Error (io).
  std::optional<std::pair<std::string, std::int64_t>> undo(const std::string& time);

 private:
  struct Entry {
    std::string item;
    std::int64_t pass;
    bool is_skip;
  };
  std::vector<Entry>::const_iterator find(const Showing& showing) const;
  void note(Entry entry, bool is_undo);

  std::string rater_;
  std::vector<Entry> judged_;  // those that stand, in the order of judging
  std::int64_t skipped_ = 0;
  SharedAppender lines_;
};

}  // namespace kiln
