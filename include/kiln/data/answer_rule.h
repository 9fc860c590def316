// Scores answers by a rule that stands in for people's taste.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/core/pattern.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// What a text gains or loses for each match of a pattern.
struct RulePattern {
  std::string pattern;
  double score = 1;
  std::int64_t most = 1;

  template <class V>
  void visit(V& v) {
    v("pattern", pattern, "extended regular expression (POSIX, with \\w, \\s and \\b), in any case of ASCII letters");
    v("score", score, "added for each match; below 0: taken away");
    v("most", most, "matches that count, at most", at_least(1));
  }
};

/// A sum over patterns. Matching takes time in proportion to an answer's length; `.` is a byte.
class AnswerRule {
 public:
  /// Reads a JSON file, {"patterns": [{"pattern": "\\bglad\\b", "score": 1, "most": 3}, ...]}. Throws Error (usage)
  /// that names every key that does not fit, and a pattern that is no regular expression.
  explicit AnswerRule(const std::filesystem::path& file);

  /// Returns the score of an answer.
  double score(std::string_view answer) const;

 private:
  struct Scored {
    Pattern pattern;
    double score;
    std::int64_t most;
  };
  std::vector<Scored> patterns_;
};

}  // namespace kiln
