// Checks which fields each type of reward needs.
#include "kiln/run/reward_config.h"

#include "kiln/core/pattern.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace kiln {
namespace {

bool has_path(RewardKind type) { return type == RewardKind::model || type == RewardKind::rule; }
bool has_pattern(RewardKind type) { return type == RewardKind::regex || type == RewardKind::contains; }

}  // namespace

std::string RewardConfig::shown_name() const { return name.value_or(std::string(name_of(type))); }

void RewardConfig::validate(Problems& problems, const std::string& pointer) const {
  const auto at = [&](std::string_view key) { return child_pointer(pointer, key); };
  const std::string_view is = name_of(type);
  /// Adds a problem if a field is given to a type that does not have it, or is missing from one that does.
  const auto check_field = [&](std::string_view key, bool is_given, bool is_needed, std::string_view of,
                               std::string_view expected) {
    if (is_given && !is_needed) problems.add(at(key), "is for {}; type is {}", of, is);
    if (!is_given && is_needed && !problems.has(at(key)))
      problems.add(at(key), "is missing; {} is expected for type {}", expected, is);
  };
  check_field("path", path && !path->empty(), has_path(type), "model and rule",
              type == RewardKind::model ? "a reward model" : "a file of patterns");
  check_field("command", !command.empty() && !command.front().empty(), type == RewardKind::command, "command",
              "a program and its arguments, such as [\"python3\", \"score.py\"],");
  check_field("pattern", pattern && !pattern->empty(), has_pattern(type), "regex and contains",
              type == RewardKind::regex ? "a regular expression" : "a text");
  if (type == RewardKind::regex && pattern) {
    if (const auto problem = Pattern::problem(*pattern)) problems.add(at("pattern"), "{}", *problem);
  }
  if (tolerance != 0 && type != RewardKind::number) problems.add(at("tolerance"), "is for number; type is {}", is);
  if (time_limit != RewardConfig().time_limit && type != RewardKind::command)
    problems.add(at("time_limit"), "is for command; type is {}", is);
  if (weight == 0) problems.add(at("weight"), "0 has no effect; remove the reward, or give it another weight");
  if (!std::isfinite(weight)) problems.add(at("weight"), "{} is not finite; a number is expected", weight);
  if (name && name->empty()) problems.add(at("name"), "is empty; a name, or null for the type's, is expected");
}

void validate_rewards(const std::vector<RewardConfig>& rewards, Problems& problems, const std::string& pointer) {
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    const std::string own = child_pointer(pointer, std::to_string(i));
    rewards[i].validate(problems, own);
    const std::string name = rewards[i].shown_name();
    const auto first = std::ranges::find(rewards, name, &RewardConfig::shown_name);
    const auto index = static_cast<std::size_t>(first - rewards.begin());
    constexpr std::array<std::string_view, 4> kTaken{"chosen", "rejected", "margins", "accuracies"};  // metrics
    if (std::ranges::find(kTaken, name) != kTaken.end())
      problems.add(child_pointer(own, "name"), "\"rewards/{}\" is another metric; give it another name", name);
    if (index < i)
      problems.add(child_pointer(own, "name"), "\"{}\" is also rewards[{}]'s; give it another", name, index);
  }
}

}  // namespace kiln
