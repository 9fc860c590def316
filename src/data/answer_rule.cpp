// Counts the matches of each pattern.
#include "kiln/data/answer_rule.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/problems.h"

#include <nlohmann/json.hpp>

#include <optional>

namespace kiln {
namespace {

/// The keys of a file.
struct RuleFile {
  std::vector<RulePattern> patterns;

  template <class V>
  void visit(V& v) {
    v("patterns", patterns, "what an answer gains or loses");
  }
};

/// Returns the matches in a text, at most `most`.
std::int64_t matches(const Pattern& pattern, std::int64_t most, std::string_view text) {
  std::int64_t count = 0;
  for (std::size_t from = 0; count < most;) {
    const std::optional<Pattern::Match> match = pattern.find(text, from);
    if (!match) break;
    ++count;
    from = match->end + (match->end == match->begin ? 1 : 0);  // an empty match takes no letter
  }
  return count;
}

}  // namespace

AnswerRule::AnswerRule(const std::filesystem::path& file) {
  const std::string source = file.string();
  RuleFile rule;
  Problems problems;
  from_json(parse_json(read_file(file), source, problems), rule, problems);
  problems.throw_if_any(source);
  check(!rule.patterns.empty(), "{}: /patterns: is empty; without patterns all answers are equal", source);
  for (const RulePattern& one : rule.patterns) {
    const std::optional<std::string> problem = Pattern::problem(one.pattern);
    check(!problem, "{}: /patterns/{}/pattern: {}", source, patterns_.size(), problem.value_or(""));
    patterns_.push_back({Pattern(one.pattern), one.score, one.most});
  }
}

double AnswerRule::score(std::string_view answer) const {
  double sum = 0;
  for (const Scored& one : patterns_) {
    sum += one.score * static_cast<double>(matches(one.pattern, one.most, answer));
  }
  return sum;
}

}  // namespace kiln
