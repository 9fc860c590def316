// Rewards in a config: which fields each type needs, and names that two share.
#include "kiln/run/reward_config.h"

#include "kiln/core/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <limits>
#include <string>

namespace kiln {
namespace {

/// Rewards as a list within a config.
struct RewardList {
  std::vector<RewardConfig> rewards;
  template <class V>
  void visit(V& v) {
    v("rewards", rewards, "what scores an answer");
  }
};

/// Returns the problems of a list of rewards, one a line.
std::string problems_of(const std::string& json) {
  Problems problems;
  RewardList list;
  from_json(Json::parse(R"({"rewards": )" + json + "}"), list, problems);
  validate_rewards(list.rewards, problems, "/rewards");
  return problems.text("a.json");
}

TEST(RewardConfig, AcceptsEachType) {
  EXPECT_EQ(problems_of(R"([
      {"type": "model", "path": "runs/reward", "weight": -0.5}, {"type": "command", "command": ["a", ""],
      "time_limit": 5}, {"type": "rule", "path": "rule.json"}, {"type": "exact"},
      {"type": "number", "tolerance": 0.5}, {"type": "regex", "pattern": "^a|b$"},
      {"type": "contains", "pattern": "a(b"}, {"type": "contains", "name": "thanks", "pattern": "thank"},
      {"type": "length", "weight": -1}, {"type": "repetition", "weight": -1}, {"type": "unfinished", "weight": -1}])"),
            "");
  EXPECT_EQ(problems_of("[]"), "");
}

TEST(RewardConfig, ReadsBackWhatItWrites) {
  RewardList list, again;
  list.rewards = {{.type = RewardKind::command, .weight = -2, .name = "judge", .command = {"a", "b c"}},
                  {.type = RewardKind::contains, .pattern = "x", .time_limit = 60}};
  Problems problems;
  from_json(to_json(list), again, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(to_json(again), to_json(list));
  EXPECT_EQ(again.rewards[0].shown_name(), "judge");
  EXPECT_EQ(again.rewards[0].command, (std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(again.rewards[1].shown_name(), "contains");
}

TEST(RewardConfig, NamesWhatATypeNeeds) {
  EXPECT_EQ(
      problems_of(R"([{"type": "model"}, {"type": "rule", "path": ""}, {"type": "command"},
                            {"type": "regex"}, {"type": "contains", "pattern": ""}])"),
      "a.json: /rewards/0/path: is missing; a reward model is expected for type model\n"
      "a.json: /rewards/1/path: is missing; a file of patterns is expected for type rule\n"
      "a.json: /rewards/2/command: is missing; a program and its arguments, such as [\"python3\", \"score.py\"], is "
      "expected for type command\n"
      "a.json: /rewards/3/pattern: is missing; a regular expression is expected for type regex\n"
      "a.json: /rewards/4/pattern: is missing; a text is expected for type contains");
  EXPECT_EQ(problems_of(R"([{"type": "command", "command": ["", "x"]}])"),
            problems_of(R"([{"type": "command", "command": []}])"));
}

TEST(RewardConfig, NamesWhatATypeDoesNotAllow) {
  EXPECT_EQ(problems_of(R"([{"type": "exact", "path": "p", "command": ["c"], "pattern": "x", "tolerance": 1,
                             "time_limit": 5}])"),
            "a.json: /rewards/0/path: is for model and rule; type is exact\n"
            "a.json: /rewards/0/command: is for command; type is exact\n"
            "a.json: /rewards/0/pattern: is for regex and contains; type is exact\n"
            "a.json: /rewards/0/tolerance: is for number; type is exact\n"
            "a.json: /rewards/0/time_limit: is for command; type is exact");
}

TEST(RewardConfig, NamesAPatternThatIsNone) {
  EXPECT_THAT(problems_of(R"([{"type": "regex", "pattern": "a(b"}])"),
              ::testing::StartsWith("a.json: /rewards/0/pattern: \"a(b\" is no regular expression: "));
}

TEST(RewardConfig, NamesValuesOutOfRange) {
  EXPECT_EQ(problems_of(R"([{"weight": 0, "name": ""}])"),
            "a.json: /rewards/0/weight: 0 has no effect; remove the reward, or give it another weight\n"
            "a.json: /rewards/0/name: is empty; a name, or null for the type's, is expected");
  EXPECT_THAT(problems_of(R"([{"type": "number", "tolerance": -1}])"),
              ::testing::HasSubstr("/tolerance: -1 is out of"));
  EXPECT_THAT(problems_of(R"([{"type": "command", "command": "a", "time_limit": 0}])"),
              ::testing::HasSubstr("/time_limit: 0 is out of"));
  EXPECT_THAT(problems_of(R"([{"type": "exacts"}])"), ::testing::HasSubstr("did you mean \"exact\"?"));
  Problems problems;
  const RewardConfig infinite{.weight = std::numeric_limits<double>::infinity()};
  infinite.validate(problems, "");
  EXPECT_EQ(problems.text("a.json"), "a.json: /weight: inf is not finite; a number is expected");
}

TEST(RewardConfig, NamesAreUnique) {
  EXPECT_EQ(problems_of(R"([{"type": "length"}, {"type": "contains", "pattern": "a"}, {"name": "length"},
                            {"type": "contains", "pattern": "b"}, {"type": "contains", "name": "c", "pattern": "b"}])"),
            "a.json: /rewards/2/name: \"length\" is also rewards[0]'s; give it another\n"
            "a.json: /rewards/3/name: \"contains\" is also rewards[1]'s; give it another");
}

}  // namespace
}  // namespace kiln
