// Scores answers by a rule that stands in for people's taste.
#pragma once

#include "kiln/core/fields.h"

#include <filesystem>
#include <memory>
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
    v("pattern", pattern, "regular expression (ECMAScript), matched in any case");
    v("score", score, "added for each match; below 0: taken away");
    v("most", most, "matches that count, at most", at_least(1));
  }
};

/// A sum over patterns.
class AnswerRule {
 public:
  /// Reads a JSON file, {"patterns": [{"pattern": "\\bglad\\b", "score": 1, "most": 3}, ...]}. Throws Error (usage)
  /// that names every key that does not fit, and a pattern that is no regular expression.
  explicit AnswerRule(const std::filesystem::path& file);
  ~AnswerRule();

  /// Returns the score of an answer.
  double score(std::string_view answer) const;

 private:
  struct Compiled;
  std::vector<Compiled> patterns_;
};

}  // namespace kiln
