// kiln rank as a person meets it: editing, mistakes, Ctrl-C, narrow windows and sudden ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/on_terminal.h"
#include "cli/ranked_answers.h"
#include <csignal>

namespace kiln {
namespace {

using testing::at_terminal;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::OnTerminal;
using testing::RankedAnswers;

TEST(RankOnATerminal, AMistakeIsExplainedAndAJudgementTakenBack) {
  for (const char* kind : {"xterm", "dumb"}) {  // with an editor and without
    const RankedAnswers answers(2);
    OnTerminal terminal(at_terminal(answers.command(), kind));
    ASSERT_TRUE(terminal.wait_for("question 0"));
    ASSERT_TRUE(terminal.wait_for("> "));
    terminal.type("x\r");
    ASSERT_TRUE(terminal.wait_for("error: \"x\" is not an order of the letters a to b"));
    terminal.type("?\r");
    ASSERT_TRUE(terminal.wait_for("/skip, s"));
    terminal.type("a\r");
    ASSERT_TRUE(terminal.wait_for("(a > b; u takes it back)"));
    ASSERT_TRUE(terminal.wait_for("question 1"));
    terminal.type("u\r");
    ASSERT_TRUE(terminal.wait_for("(taken back)"));
    ASSERT_TRUE(terminal.wait_for("question 0"));
    terminal.type("b\r");
    ASSERT_TRUE(terminal.wait_for("question 1"));
    terminal.type("a=b\r");
    ASSERT_TRUE(terminal.wait_for("all is judged"));
    ASSERT_TRUE(terminal.wait_for("> "));  // a Ctrl-D before the prompt could be lost
    terminal.type("\x04");
    EXPECT_THAT(terminal.all(), HasSubstr("(2 judged, 0 skipped, 0 left)"));
    EXPECT_EQ(terminal.hang_up(), 0);
    EXPECT_EQ(answers.judged().census.pairs, 1);
    EXPECT_EQ(answers.judged().census.ties, 1);
  }
}

TEST(RankOnATerminal, CtrlCDropsALineAndThenEnds) {
  const RankedAnswers answers(2);
  OnTerminal terminal(at_terminal(answers.command()));
  ASSERT_TRUE(terminal.wait_for("question 0"));
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("a");
  ASSERT_TRUE(terminal.wait_for("a"));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.wait_for("^C\r\n"));
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("\x03");
  EXPECT_THAT(terminal.all(), HasSubstr("(0 judged, 0 skipped, 2 left)"));
  EXPECT_EQ(terminal.hang_up(), 0);
}

TEST(RankOnATerminal, ANarrowWindowShowsAllAndTakesAnOrder) {
  const RankedAnswers answers(1);
  OnTerminal terminal(at_terminal(answers.command()), 12);
  ASSERT_TRUE(terminal.wait_for("--- 1 of 1"));
  ASSERT_TRUE(terminal.wait_for("user:\r\n   question\r\n   0"));
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("b > a\r");
  ASSERT_TRUE(terminal.wait_for("u takes it back"));
  terminal.type("q\r");
  terminal.all();
  EXPECT_EQ(terminal.hang_up(), 0);
  EXPECT_EQ(answers.judged().census.pairs, 1);
}

TEST(RankOnATerminal, NoColorMeansNoEscapesOfKilns) {
  const RankedAnswers answers(1);
  OnTerminal terminal(at_terminal(answers.command(), "dumb"));
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("a\rq\r");
  EXPECT_THAT(terminal.all(), Not(HasSubstr("\x1b")));
}

TEST(RankOnATerminal, AfterASuddenEndTheNextStartGoesOn) {
  for (const int signal : {SIGKILL, SIGTERM}) {
    const RankedAnswers answers(3);
    {
      OnTerminal terminal(at_terminal(answers.command()));
      ASSERT_TRUE(terminal.wait_for("> "));
      terminal.type("b\r");
      ASSERT_TRUE(terminal.wait_for("question 1"));
      terminal.send(signal);
      terminal.all();
    }
    EXPECT_EQ(answers.judged().census.judgements, 1);
    OnTerminal later(at_terminal(answers.command()));
    ASSERT_TRUE(later.wait_for("--- 2 of 3"));
    ASSERT_TRUE(later.wait_for("question 1"));
    EXPECT_THAT(later.seen(), Not(HasSubstr("question 0")));
  }
}

}  // namespace
}  // namespace kiln
