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

#include "kiln/data/judgements.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
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

/// An order of the answers shown, by their places on the screen, from 0 on.
struct ShownOrder {
  std::vector<std::vector<std::size_t>> groups;  // best to worst, each of equals
  std::vector<std::size_t> rest;                 // worse than all of `groups`, but not compared with each other
};

/// Completes the order of `count` answers: places that no group names are the rest, a single one of them comes last.
/// Throws Error (usage), which names places by their letters (a is 0), for a place that does not exist or stands twice,
/// for an empty group, and without any group.
ShownOrder completed_order(std::vector<std::vector<std::size_t>> groups, std::size_t count);

/// What a rater says about a showing. Neither an order, nor a rest, nor an edit: the rater skips it.
struct Verdict {
  std::vector<std::vector<std::size_t>> order;  // best to worst, of the answers' numbers
  std::vector<std::size_t> rest = {};
  std::string edit = {}, note = {};
  double seconds = 0;
};

/// What a rater adds to an order.
struct Remarks {
  std::string edit = {}, note = {};
  double seconds = 0;  // rounded to tenths
};

/// Returns the verdict of an order of the places shown; of none: the rater skips, or says with an edit that it is
/// better than all answers.
Verdict verdict_of(const Showing& showing, const std::optional<ShownOrder>& order, Remarks remarks);

/// Names a showing within a rater's part of a file: its item and its pass.
using ShowingKey = std::pair<std::string, std::int64_t>;

/// One rater's part of a rankings file, which other raters may write at the same time; so may other processes that the
/// same rater uses.
class RankingLog {
 public:
  /// Creates a missing file, and reads what the rater has judged. An incomplete last line, which a killed process has
  /// left, counts as not written. Throws Error (bad_input) for a file that is not one of rankings, and (io).
  RankingLog(std::filesystem::path file, std::string rater);

  /// Reads what others have appended meanwhile, or the whole file if it is another one. Throws as the constructor does.
  void refresh();

  /// Returns whether the rater has judged or skipped a showing.
  bool has(const Showing& showing) const { return judged_.contains({showing.item, showing.pass}); }

  /// Returns the place of the first showing that the rater has neither judged nor skipped; the size if there is none.
  std::size_t next(std::span<const Showing> showings) const;

  /// Returns the number of such showings.
  std::size_t left(std::span<const Showing> showings) const;

  /// Returns the number of showings judged, and skipped.
  std::int64_t judged() const { return std::ssize(judged_) - skipped_; }
  std::int64_t skipped() const { return skipped_; }

  /// Returns the last judgement or skip that stands; nullopt if there is none.
  std::optional<ShowingKey> last() const;

  /// Appends a line, which is on the disk when it returns. `time` is in UTC, such as "2026-01-31T12:00:00Z". Throws
  /// Error (io), and has then changed nothing.
  void add(const JudgedPrompt& prompt, const Showing& showing, const Verdict& verdict, const std::string& time);

  /// Appends a line that takes the rater's last judgement or skip back. Returns which; nullopt if there is none. Throws
  /// Error (io).
  std::optional<ShowingKey> undo(const std::string& time);

 private:
  struct Entry {
    std::int64_t number;  // in the order of judging
    bool is_skip;
  };
  void append(const std::string& line) const;
  void take(std::string_view text, bool is_start);
  void note(const ShowingKey& key, bool is_skip, bool is_undo);

  std::filesystem::path file_;
  std::string rater_;
  std::map<ShowingKey, Entry> judged_;  // those that stand
  std::int64_t noted_ = 0;
  std::int64_t skipped_ = 0;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint64_t position_ = 0;  // as far as the file is read
  std::int64_t lines_ = 0;      // up to there
};

}  // namespace kiln
