// Rewards by hand-computed scores: of texts, of a reward model, of programs that answer, die, hang and babble.
#include "train/rewards.h"

#include "kiln/core/file.h"
#include "kiln/interop/huggingface.h"
#include "kiln/nn/init.h"
#include "kiln/run/model_loader.h"
#include "kiln/train/reward_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/log_capture.h"
#include "support/scoring_folder.h"
#include "support/scratch.h"
#include "support/thread_world.h"
#include "text/byte_tokenizer.h"
#include "train/text_rewards.h"
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::expect_error_with;
using ::testing::HasSubstr;
using testing::LogCapture;
using ::testing::Not;
using testing::ScoringFolder;
using testing::Scratch;

constexpr Index kMaxTokens = 8;

const std::vector<ChatMessage>& asked() {
  static const std::vector<ChatMessage> messages{{ChatRole::system, "be brief"}, {ChatRole::user, "2 + 2?"}};
  return messages;
}

DrawnAnswer drawn(std::string_view text, std::string_view expected = "", Index tokens = 1, bool ended = true) {
  return {.messages = asked(), .text = text, .expected = expected, .tokens = tokens, .ended = ended};
}

/// Returns the scores of answers by one reward.
std::vector<double> scores_of(const RewardConfig& config, const std::vector<DrawnAnswer>& answers) {
  return Rewards({config}, kMaxTokens, Precision::fp32).score(answers).scores;
}
double score_of(const RewardConfig& config, const DrawnAnswer& answer) { return scores_of(config, {answer}).at(0); }

TEST(Rewards, ExactIsTheExpectedAnswerThatEndedByItself) {
  const RewardConfig exact{.type = RewardKind::exact};
  EXPECT_THAT(scores_of(exact, {drawn("four", "four"), drawn(" four\n", "\tfour "), drawn("Four", "four"),
                                drawn("four.", "four"), drawn("", "four"), drawn("four", "four", 1, false)}),
              ElementsAre(1, 1, 0, 0, 0, 0));
}

TEST(Rewards, ExactAndNumberNeedAnExpectedAnswer) {
  for (const RewardKind type : {RewardKind::exact, RewardKind::number}) {
    for (const char* none : {"", " \n"}) {
      expect_error_with(ExitCode::usage,
                        {"reward \"sum\": there is no expected answer to \"2 + 2?\"", "\"messages\"", "\"completion\""},
                        [&] { score_of({.type = type, .name = "sum"}, drawn("4", none)); });
    }
  }
  expect_error_with(ExitCode::usage, {"reward \"number\": the expected answer \"four\" has no number", "exact"},
                    [] { score_of({.type = RewardKind::number}, drawn("4", "four")); });
}

TEST(Rewards, NumberComparesTheLastOnes) {
  const RewardConfig number{.type = RewardKind::number};
  EXPECT_THAT(scores_of(number, {drawn("2 and 2 make 4.", "4"), drawn("4, not 5", "4"), drawn("4.0", "3, so 4"),
                                 drawn("four", "4"), drawn("", "4"), drawn("-4", "4"), drawn("1,234", "#### 1234"),
                                 drawn("4.000001", "4"), drawn("4", "4", 1, false), drawn("1e999", "1e9")}),
              ElementsAre(1, 0, 1, 0, 0, 0, 1, 0, 1, 0));
  const RewardConfig near{.type = RewardKind::number, .tolerance = 0.1};
  EXPECT_THAT(scores_of(near, {drawn("1.1", "1"), drawn("0.9", "1"), drawn("1.1000001", "1"), drawn("100.1", "100"),
                               drawn("-1.1", "-1"), drawn("1.1", "-1")}),
              ElementsAre(1, 1, 0, 1, 1, 0));
  EXPECT_EQ(score_of(number, drawn("9007199254740993", "9007199254740992")), 1);  // one double
  EXPECT_EQ(score_of(number, drawn("9007199254740994", "9007199254740992")), 0);
}

TEST(LastNumber, IsReadAsPeopleWriteIt) {
  struct Case {
    std::string_view text;
    std::optional<double> number;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"", std::nullopt},
           {"none, e5. - , $", 5},
           {"no number.", std::nullopt},
           {"1 2 3", 3},
           {"It is 42.", 42},
           {"3.25", 3.25},
           {".5", 0.5},
           {"x.5.", 0.5},
           {"1.2.3", 3},
           {"5. 6.", 6},
           {"-7", -7},
           {"is -.5", -0.5},
           {"=-7", -7},
           {"\xE2\x88\x92"
            "7",
            -7},  // U+2212
           {"-$7", -7},
           {"$-7", -7},
           {"- 7", 7},
           {"3-5", 5},
           {"3 - 5", 5},
           {"x-5", 5},
           {"(x)-5", 5},
           {"+5", 5},
           {"$1,234.50", 1234.5},
           {"1,234", 1234},
           {"12,345,678", 12345678},
           {"1,234,56", 56},
           {"1,2", 2},
           {"1,2345", 2345},
           {"1234,567", 567},
           {"1, 234", 234},
           {"1.5,250", 250},
           {"1e3", 1000},
           {"1.5E-2 m", 0.015},
           {"2e", 2},
           {"3em", 3},
           {"1/2", 2},
           {"50%", 50},
           {"007", 7},
           {"1e999", std::nullopt},
           {"1e999 or 1", 1},
           {"1 or 1e999", std::nullopt},
       }) {
    EXPECT_EQ(last_number(one.text), one.number) << one.text;
  }
}

TEST(Rewards, RegexAndContainsFindAPattern) {
  const std::vector<DrawnAnswer> answers{drawn("I am GLAD."), drawn("gladly"), drawn(""), drawn("a.d")};
  EXPECT_THAT(scores_of({.type = RewardKind::regex, .pattern = "\\bglad\\b"}, answers), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(scores_of({.type = RewardKind::regex, .pattern = "a.d|^$"}, answers), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(scores_of({.type = RewardKind::contains, .pattern = "glad"}, answers), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(scores_of({.type = RewardKind::contains, .pattern = "a.d"}, answers), ElementsAre(0, 0, 0, 1));
}

TEST(Rewards, ARuleIsThatOfKilnRank) {
  const Scratch scratch;
  const std::string file = scratch.write("rule.json", R"({"patterns": [{"pattern": "glad", "score": 2, "most": 2}]})");
  EXPECT_THAT(scores_of({.type = RewardKind::rule, .path = file}, {drawn("glad glad glad"), drawn("")}),
              ElementsAre(4, 0));
  expect_error_with(ExitCode::bad_input, {"missing.json"}, [&] {
    Rewards({{.type = RewardKind::rule, .path = scratch.path("missing.json").string()}}, kMaxTokens, Precision::fp32);
  });
}

TEST(Rewards, LengthIsTheShareOfTheMostTokens) {
  EXPECT_THAT(scores_of({.type = RewardKind::length},
                        {drawn("", "", 0), drawn("", "", 2), drawn("", "", kMaxTokens), drawn("", "", kMaxTokens + 1)}),
              ElementsAre(0, 0.25, 1, 1));
}

TEST(Rewards, RepetitionIsTheShareOfThreeGramsThatCameBefore) {
  EXPECT_THAT(scores_of({.type = RewardKind::repetition},
                        {drawn(""), drawn("a a"), drawn("a b c"), drawn("a a a a a"), drawn("a b c a b c"),
                         drawn(" a\nb  c\ta b c "), drawn("a b c A b c"), drawn("a b c d a b d")}),
              ElementsAre(0, 0, 0, 2.0 / 3, 0.25, 0.25, 0, 0));
}

TEST(Rewards, UnfinishedIsWhatDidNotEnd) {
  EXPECT_THAT(scores_of({.type = RewardKind::unfinished}, {drawn("x"), drawn("", "", 1, false)}), ElementsAre(0, 1));
}

TEST(Rewards, AreAddedByTheirWeights) {
  Rewards rewards({{.type = RewardKind::exact, .weight = 2},
                   {.type = RewardKind::length, .weight = -0.5, .name = "brevity"},
                   {.type = RewardKind::contains, .pattern = "x"}},
                  kMaxTokens, Precision::fp32);
  const ScoredAnswers scored =
      rewards.score(std::vector{drawn("4", "4", 2), drawn("x", "4", 4), drawn("4 x", "4", 8), drawn("4", "4", 2)});
  EXPECT_THAT(scored.scores, ElementsAre(2 - 0.125, -0.25 + 1, -0.5 + 1, 2 - 0.125));
  ASSERT_EQ(scored.parts.size(), 3U);
  EXPECT_EQ(scored.parts[0].name, "exact");
  EXPECT_DOUBLE_EQ(scored.parts[0].mean, 0.5);
  EXPECT_DOUBLE_EQ(scored.parts[0].deviation, 0.5);
  EXPECT_EQ(scored.parts[1].name, "brevity");
  EXPECT_DOUBLE_EQ(scored.parts[1].mean, 0.5);  // of 0.25, 0.5, 1 and 0.25
  EXPECT_DOUBLE_EQ(scored.parts[1].deviation, std::sqrt((0.0625 + 0 + 0.25 + 0.0625) / 4));
  EXPECT_EQ(scored.parts[2].name, "contains");
  const ScoredAnswers none = rewards.score({});
  EXPECT_TRUE(none.scores.empty());
  ASSERT_EQ(none.parts.size(), 3U);
  EXPECT_EQ(none.parts[1].mean, 0);
  EXPECT_EQ(none.parts[1].deviation, 0);
}

TEST(Rewards, ASumThatOverflowsIsAnError) {
  expect_error_with(ExitCode::usage, {"reward \"b\": 1 times its weight of 1e+308 is too large"}, [] {
    Rewards({{.type = RewardKind::unfinished, .weight = 1e308},
             {.type = RewardKind::unfinished, .weight = 1e308, .name = "b"}},
            kMaxTokens, Precision::fp32)
        .score(std::vector{drawn("", "", 1, false)});
  });
}

TEST(Rewards, AModelsLowestScoreIsThatOfAnswersWithoutOne) {
  const ScoringFolder folder;
  const RewardConfig config{.type = RewardKind::model, .path = folder.path.string()};
  const std::string too_long(50, 'x');
  const RewardModel model(load_model(folder.path.string(), std::nullopt, ModelKind::reward));
  const std::vector<std::optional<double>> own = model.scores(
      std::vector<AnswerToScore>{{asked(), "four"}, {asked(), ""}, {asked(), "five"}, {asked(), too_long}});
  ASSERT_TRUE(own[0] && own[2] && !own[1] && !own[3]);
  ASSERT_NE(*own[0], *own[2]);
  const double lowest = std::min(*own[0], *own[2]);
  EXPECT_THAT(scores_of(config, {drawn("four"), drawn(""), drawn("five"), drawn(too_long)}),
              ElementsAre(*own[0], lowest, *own[2], lowest));
  EXPECT_THAT(scores_of(config, {drawn(""), drawn(" \n")}), ElementsAre(0, 0));
}

TEST(Rewards, RanksShareAModelsWorkAndAllHaveTheSameScores) {
  const ScoringFolder folder;
  const RewardConfig config{.type = RewardKind::model, .weight = 2, .path = folder.path.string()};
  const std::vector<DrawnAnswer> answers{drawn("four"), drawn(""), drawn("five"), drawn("six"), drawn("seven")};
  const std::vector<double> alone = scores_of(config, answers);
  for (const int ranks : {2, 3, 8}) {  // more ranks than answers, too
    std::vector<std::vector<double>> scores(static_cast<std::size_t>(ranks));
    testing::as_ranks(ranks, [&](World& world) {
      scores[static_cast<std::size_t>(world.rank())] =
          Rewards({config}, kMaxTokens, Precision::fp32, world).score(answers).scores;
    });
    for (const std::vector<double>& of_rank : scores) {
      EXPECT_EQ(of_rank, scores[0]);
      for (std::size_t i = 0; i < answers.size(); ++i) EXPECT_NEAR(of_rank.at(i), alone[i], 1e-5 * std::abs(alone[i]));
    }
  }
}

TEST(Rewards, OnlyTheRootHasAProgram) {
  const Scratch scratch;
  const RewardConfig config{.type = RewardKind::command,
                            .command = {"/bin/sh", "-c", "echo x >> \"$0\"; while read -r line; do echo 3; done",
                                        scratch.path("starts").string()}};
  std::vector<double> last(3);
  testing::as_ranks(3, [&](World& world) {
    Rewards rewards({config}, kMaxTokens, Precision::fp32, world);
    last[static_cast<std::size_t>(world.rank())] = rewards.score(std::vector{drawn("a"), drawn("b")}).scores.at(1);
  });
  EXPECT_THAT(last, ElementsAre(3, 3, 3));
  EXPECT_EQ(read_file(scratch.path("starts")), "x\n");
}

TEST(Rewards, AFolderWithoutARewardModelIsRefusedAtTheStart) {
  const Scratch scratch;
  expect_error_with(ExitCode::usage, {scratch.path().string()}, [&] {
    Rewards({{.type = RewardKind::model, .path = scratch.path().string()}}, kMaxTokens, Precision::fp32);
  });
}

/// A reward by a script of /bin/sh, which finds the folder `scratch` in $1.
class CommandRewards : public ::testing::Test {
 protected:
  RewardConfig config(const std::string& script) const {
    return {.type = RewardKind::command,
            .name = "judge",
            .command = {"/bin/sh", "-c", script, "judge", scratch_.path().string()},
            .time_limit = 20};
  }
  /// Returns a script that appends a line to the file "starts" each time that it starts, and counts them in $n.
  static std::string counting_starts(const std::string& then) {
    return "echo start >> \"$1/starts\"; n=$(grep -c start \"$1/starts\"); " + then;
  }
  int starts() const {
    std::ifstream file(scratch_.path("starts"));
    int count = 0;
    for (std::string line; std::getline(file, line);) ++count;
    return count;
  }
  static std::string repeating(const std::string& answer) { return "while read -r line; do " + answer + "; done"; }

  Scratch scratch_;
  LogCapture log_;
};

TEST_F(CommandRewards, StaysAliveAndIsAnnouncedOnceAndOnlyWhenItStarts) {
  Rewards rewards({config(counting_starts("i=0; " + repeating("i=$((i + 1)); echo $i.5")))}, kMaxTokens,
                  Precision::fp32);
  rewards.score({});
  EXPECT_EQ(starts(), 0);
  EXPECT_EQ(log_.text(), "");
  EXPECT_THAT(rewards.score(std::vector{drawn("a"), drawn("b")}).scores, ElementsAre(1.5, 2.5));
  EXPECT_THAT(rewards.score(std::vector{drawn("c")}).scores, ElementsAre(3.5));
  EXPECT_EQ(starts(), 1);
  EXPECT_THAT(log_.text(), AllOf(::testing::StartsWith("info: reward \"judge\" is computed by: /bin/sh -c '"),
                                 Not(HasSubstr("warning"))));
}

TEST_F(CommandRewards, ReadsALineOfJsonAboutEachAnswer) {
  const RewardConfig keeps = config(repeating("printf '%s\\n' \"$line\" >> \"$1/lines\"; echo 1"));
  scores_of(keeps, {drawn("a \"b\"\nc\xFF", " 4 "), drawn("")});
  EXPECT_EQ(read_file(scratch_.path("lines")),
            "{\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"2 + 2?\"}],"
            "\"answer\":\"a \\\"b\\\"\\nc\xEF\xBF\xBD\",\"expected\":\" 4 \"}\n"
            "{\"messages\":[{\"role\":\"system\",\"content\":\"be brief\"},{\"role\":\"user\",\"content\":\"2 + 2?\"}],"
            "\"answer\":\"\"}\n");
}

TEST_F(CommandRewards, AnswersWithANumberOrAnObject) {
  const RewardConfig echoes =
      config("for a in -1.5 2e3 ' 0 ' '{\"reward\": 0.25, \"why\": \"x\"}'; do read -r line; echo \"$a\"; done");
  EXPECT_THAT(scores_of(echoes, {drawn(""), drawn(""), drawn(""), drawn("")}), ElementsAre(-1.5, 2000, 0, 0.25));
  EXPECT_THAT(log_.text(), Not(HasSubstr("warning")));
}

TEST_F(CommandRewards, WordsAreNotSplitByAShell) {
  RewardConfig counts = config("read -r line; [ \"$2\" = 'a  b; $HOME *' ] && echo $#");
  counts.command.emplace_back("a  b; $HOME *");
  EXPECT_EQ(score_of(counts, drawn("")), 2);
  expect_error_with(ExitCode::usage, {"/bin/sh -c true: cannot be started", "each argument as a word of its own"},
                    [&] { score_of({.type = RewardKind::command, .command = {"/bin/sh -c true"}}, drawn("")); });
}

TEST_F(CommandRewards, OneThatDiesIsStartedAgainAndAskedTheSame) {
  const std::string keep = "printf '%s\\n' \"$line\" >> \"$1/lines\"; ";
  const RewardConfig dies =
      config(counting_starts(repeating(keep + "case \"$n$line\" in 1*'\"b\"'*) exit 3;; esac; echo $n")));
  EXPECT_THAT(scores_of(dies, {drawn("a"), drawn("b"), drawn("c")}), ElementsAre(1, 2, 2));
  EXPECT_EQ(starts(), 2);
  EXPECT_THAT(log_.text(), AllOf(HasSubstr("warning: reward \"judge\", answer 2 of 3: /bin/sh -c '"),
                                 HasSubstr(": ended with exit status 3 before it answered; starting it again\n")));
  std::vector<std::string> answers;
  std::ifstream lines(scratch_.path("lines"));
  for (std::string line; std::getline(lines, line);) answers.push_back(Json::parse(line)["answer"]);
  EXPECT_THAT(answers, ElementsAre("a", "b", "b", "c"));
}

TEST_F(CommandRewards, OneThatHangsIsStartedAgain) {
  RewardConfig hangs = config(counting_starts("[ $n = 1 ] && sleep 60; " + repeating("echo $n")));
  hangs.time_limit = 3;
  EXPECT_THAT(scores_of(hangs, {drawn("a"), drawn("b")}), ElementsAre(2, 2));
  EXPECT_THAT(log_.text(), HasSubstr("answer 1 of 2: /bin/sh"));
  EXPECT_THAT(log_.text(), HasSubstr("has not answered within 3 s; starting it again"));
}

TEST_F(CommandRewards, AWaitThatIsEndedLeavesNoAnswerForTheNextQuestion) {
  struct Ended {};
  Rewards rewards({config(counting_starts("read -r line; [ $n = 1 ] && sleep 30; echo $n; read -r line"))}, kMaxTokens,
                  Precision::fp32);
  const auto end_when_started = [&] {
    if (starts() > 0) throw Ended();
  };
  EXPECT_THROW(rewards.score(std::vector{drawn("a")}, end_when_started), Ended);
  EXPECT_THAT(rewards.score(std::vector{drawn("a")}).scores, ElementsAre(2));
  EXPECT_EQ(starts(), 2);
}

TEST_F(CommandRewards, WhatIsNoFiniteNumberIsAskedForAgain) {
  for (const std::string said : {"good", "", "NaN", "Infinity", "1e999", "true", "null", "\"1\"", "[1]",
                                 "{\"score\": 1}", "{\"reward\": null}", "{\"reward\": NaN}", "1 2"}) {
    const Scratch scratch;
    RewardConfig babbles =
        config(counting_starts(repeating("if [ $n = 1 ]; then printf '%s\\n' \"$2\"; else echo 7; fi")));
    babbles.command.back() = scratch.path().string();
    babbles.command.push_back(said);
    EXPECT_EQ(score_of(babbles, drawn("")), 7) << said;
    EXPECT_THAT(log_.text(), HasSubstr(": has written \"" + said +
                                       "\"; a number, or {\"reward\": a number}, is expected; starting it again\n"));
  }
}

TEST_F(CommandRewards, WhatItSaidIsShownPrintable) {
  const RewardConfig rings = config(counting_starts(repeating("[ $n = 1 ] && printf '\\007\\033[2J\\n' || echo 1")));
  EXPECT_EQ(score_of(rings, drawn("")), 1);
  EXPECT_THAT(log_.text(), HasSubstr("has written \"\\u0007\\u001b[2J\""));
}

TEST_F(CommandRewards, TheThirdFailureInARowEndsTheRun) {
  Rewards rewards({config(counting_starts("read -r line; exit 3"))}, kMaxTokens, Precision::fp32);
  expect_error_with(
      ExitCode::io,
      {"reward \"judge\", answer 1 of 2: /bin/sh -c ", "ended with exit status 3 before it answered",
       "it has failed 3 times in a row", "run it by hand to see why: it reads lines {\"messages\"", "20 s"},
      [&] {
        rewards.score(std::vector{drawn("a"), drawn("b")});
      });
  EXPECT_EQ(starts(), 3);
  EXPECT_THAT(log_.text(), HasSubstr("warning: "));
}

TEST_F(CommandRewards, FailuresBetweenAnswersAreNotInARow) {
  const RewardConfig once = config(counting_starts("read -r line; echo $n"));  // ends after each answer
  EXPECT_THAT(scores_of(once, {drawn("a"), drawn("b"), drawn("c"), drawn("d"), drawn("e")}),
              ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(CommandRewards, OneThatIsMissingIsAnErrorAtTheFirstAnswer) {
  Rewards rewards({{.type = RewardKind::command, .command = {"no-such-program"}}}, kMaxTokens, Precision::fp32);
  expect_error_with(ExitCode::usage, {"no-such-program: cannot be started"},
                    [&] { rewards.score(std::vector{drawn("a")}); });
}

}  // namespace
}  // namespace kiln
