// Rules that stand in for people: what they score, and files that are none.
#include "kiln/data/answer_rule.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/scratch.h"
#include <string>

namespace kiln {
namespace {

using testing::expect_error_with;
using testing::Scratch;

TEST(AnswerRule, AddsTheMatchesOfItsPatternsUpToTheMostThatCount) {
  const Scratch scratch;
  const AnswerRule rule(scratch.write("rule.json", R"({"patterns": [
      {"pattern": "\\bglad\\b", "score": 2, "most": 2}, {"pattern": "sad", "score": -1.5, "most": 9},
      {"pattern": "[^.!?]\\s*$", "score": -3}]})"));
  EXPECT_DOUBLE_EQ(rule.score("I am Glad."), 2);
  EXPECT_DOUBLE_EQ(rule.score("glad, glad, glad."), 4);
  EXPECT_DOUBLE_EQ(rule.score("gladly sad, sadder."), -3);
  EXPECT_DOUBLE_EQ(rule.score("no end"), -3);
  EXPECT_DOUBLE_EQ(rule.score(""), 0);
}

TEST(AnswerRule, WhatIsNoRuleIsRefusedWithItsPlace) {
  const Scratch scratch;
  const auto refuse = [&](const std::string& json, std::initializer_list<std::string_view> parts) {
    const std::string file = scratch.write("rule.json", json);
    expect_error_with(ExitCode::usage, parts, [&] { const AnswerRule rule(file); });
  };
  refuse(R"({"patterns": []})", {"/patterns", "is empty"});
  refuse(R"({"patterns": [{"patern": "x"}]})", {"/patterns/0/patern", "unknown key"});
  refuse(R"({"patterns": [{"pattern": "a(b"}]})", {"/patterns/0/pattern", "\"a(b\" is no regular expression"});
}

}  // namespace
}  // namespace kiln
