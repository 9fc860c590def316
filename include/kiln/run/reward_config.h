// Configures what scores a model's answers while it is tuned by policy gradients.
#pragma once

#include "kiln/core/fields.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// What scores an answer:
/// - model: a reward model;
/// - command: a program;
/// - rule: a file of patterns (kiln rank --rule);
/// - exact: 1 if the answer equals the expected one, white space at the ends aside, and ended by itself; else 0;
/// - number: 1 if the answer's last number is within `tolerance` of the expected answer's last number; else 0;
/// - regex: 1 if the POSIX extended regular expression `pattern` matches, in any case of ASCII letters; else 0;
/// - contains: 1 if the answer contains `pattern` as it is written; else 0;
/// - length: the answer's tokens as a share of rollout.max_tokens, 0 to 1;
/// - repetition: the share of the answer's 3-grams of words that came before in it, 0 to 1;
/// - unfinished: 1 if the answer did not end by itself; else 0.
enum class RewardKind { model, command, rule, exact, number, regex, contains, length, repetition, unfinished };
inline constexpr std::array<std::string_view, 10> kRewardKinds{
    "model", "command", "rule", "exact", "number", "regex", "contains", "length", "repetition", "unfinished"};
inline std::span<const std::string_view> names_of(RewardKind) { return kRewardKinds; }

struct RewardConfig {
  RewardKind type = RewardKind::exact;
  double weight = 1;
  std::optional<std::string> name = std::nullopt;
  std::optional<std::string> path = std::nullopt;
  std::vector<std::string> command = {};
  std::optional<std::string> pattern = std::nullopt;
  double tolerance = 0;
  double time_limit = 60;  // seconds for an answer of the command

  /// Returns the name, or else the type's name.
  std::string shown_name() const;

  /// Adds a problem for each field that the type needs and does not have, or has and does not allow, and for a weight
  /// that is 0 or not finite.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("type", type,
      "model: a reward model; command: a program; rule: a file of patterns (kiln rank --rule); exact: 1 if the answer "
      "is "
      "the expected one and ended by itself; number: 1 if its last number is the expected answer's last; regex: 1 if "
      "pattern matches; contains: 1 if it contains pattern; length: its share of the most tokens, 0 to 1; repetition: "
      "share of its 3-grams of words that came before in it, 0 to 1; unfinished: 1 if it did not end by itself");
    v("weight", weight, "factor of this reward in the sum; below 0: a penalty; not 0");
    v("name", name, "name in metrics and messages; null: the type; no two rewards share one");
    v("path", path, "model: a run directory, checkpoint folder or Hugging Face folder; rule: a file");
    v("command", command,
      "command: a program and its arguments, each a string of its own, which no shell splits; it reads lines "
      "{\"messages\": [...], \"answer\": \"...\", \"expected\": \"...\"} and answers each with a number or "
      "{\"reward\": "
      "a number}");
    v("pattern", pattern,
      "regex: extended regular expression (POSIX, with \\w, \\s and \\b), in any case of ASCII letters; contains: "
      "text");
    v("tolerance", tolerance, "number: largest difference that counts as equal", non_negative());
    v("time_limit", time_limit, "command: seconds within which the program must answer", positive());
  }
};

/// Validates each reward, and adds a problem for each name that an earlier one has. `pointer` is the list's.
void validate_rewards(const std::vector<RewardConfig>& rewards, Problems& problems, const std::string& pointer);

}  // namespace kiln
