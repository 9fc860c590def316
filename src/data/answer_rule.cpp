// Counts the matches of each pattern.
#include "kiln/data/answer_rule.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/problems.h"

#include <nlohmann/json.hpp>

#include <array>
#include <regex.h>

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

}  // namespace

/// A compiled pattern. glibc matches it by an automaton: std::regex would recurse for each character.
struct AnswerRule::Compiled {
  Compiled(const RulePattern& pattern, std::size_t number, const std::string& source)
      : score(pattern.score), most(pattern.most) {
    const int error = ::regcomp(&expression, pattern.pattern.c_str(), REG_EXTENDED | REG_ICASE);
    if (error == 0) return;
    std::array<char, 200> reason{};
    ::regerror(error, &expression, reason.data(), reason.size());
    fail(ExitCode::usage, "{}: /patterns/{}/pattern: \"{}\" is no regular expression: {}", source, number,
         pattern.pattern, reason.data());
  }
  ~Compiled() { ::regfree(&expression); }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  /// Returns the matches in a text, at most `most`.
  std::int64_t matches(const std::string& text) const {
    std::int64_t count = 0;
    for (regoff_t begin = 0; count < most && begin <= static_cast<regoff_t>(text.size());) {
      regmatch_t match{.rm_so = begin, .rm_eo = static_cast<regoff_t>(text.size())};
      if (::regexec(&expression, text.c_str(), 1, &match, REG_STARTEND) != 0) break;
      ++count;
      begin = match.rm_eo + (match.rm_eo == match.rm_so ? 1 : 0);  // an empty match takes no letter
    }
    return count;
  }

  regex_t expression{};
  double score;
  std::int64_t most;
};

AnswerRule::AnswerRule(const std::filesystem::path& file) {
  const std::string source = file.string();
  RuleFile rule;
  Problems problems;
  from_json(parse_json(read_file(file), source, problems), rule, problems);
  problems.throw_if_any(source);
  check(!rule.patterns.empty(), "{}: /patterns: is empty; without patterns all answers are equal", source);
  for (const RulePattern& one : rule.patterns) {
    patterns_.push_back(std::make_unique<Compiled>(one, patterns_.size(), source));
  }
}

AnswerRule::~AnswerRule() = default;

double AnswerRule::score(std::string_view answer) const {
  const std::string text(answer);
  double sum = 0;
  for (const auto& one : patterns_) sum += one->score * static_cast<double>(one->matches(text));
  return sum;
}

}  // namespace kiln
