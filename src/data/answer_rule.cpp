// Counts the matches of each pattern.
#include "kiln/data/answer_rule.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/problems.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <regex>
#include <utility>

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

std::regex compile(const std::string& pattern, std::size_t number, const std::string& source) {
  try {
    return std::regex(pattern, std::regex::ECMAScript | std::regex::icase | std::regex::optimize);
  } catch (const std::regex_error& error) {
    fail(ExitCode::usage, "{}: /patterns/{}/pattern: \"{}\" is no regular expression: {}", source, number, pattern,
         error.what());
  }
}

}  // namespace

struct AnswerRule::Compiled {
  std::regex expression;
  double score;
  std::int64_t most;
};

AnswerRule::AnswerRule(const std::filesystem::path& file) {
  const std::string source = file.string();
  RuleFile rule;
  Problems problems;
  from_json(parse_json(read_file(file), source, problems), rule, problems);
  if (rule.patterns.empty()) problems.add("/patterns", "is empty; without patterns all answers are equal");
  problems.throw_if_any(source);
  for (const RulePattern& one : rule.patterns) {
    patterns_.push_back({compile(one.pattern, patterns_.size(), source), one.score, one.most});
  }
}

AnswerRule::~AnswerRule() = default;

double AnswerRule::score(std::string_view answer) const {
  const std::string text(answer);
  double sum = 0;
  for (const Compiled& one : patterns_) {
    const std::sregex_iterator begin(text.begin(), text.end(), one.expression), end;
    sum += one.score * static_cast<double>(std::min<std::int64_t>(std::distance(begin, end), one.most));
  }
  return sum;
}

}  // namespace kiln
