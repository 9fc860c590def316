// Text from outside, as it reaches a terminal.
#include "kiln/core/shown_text.h"

#include "kiln/core/error.h"
#include "kiln/core/problems.h"

#include <gtest/gtest.h>

#include <string>

namespace kiln {
namespace {

using namespace std::string_literals;

TEST(ShownText, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("a\033[31m\n\t\r\x7F"), R"(a\u001b[31m\n\t\r\u007f)");
  EXPECT_EQ(printable("\0x"s), R"(\u0000x)");
  EXPECT_EQ(printable("\xFF \xC2\x9B"), R"(\xff \u009b)");
  EXPECT_EQ(printable("gpj.\u202Eexe"), R"(gpj.\u202eexe)");
  EXPECT_EQ(printable_lines("one\ntwo\033"), "one\ntwo\\u001b");
}

TEST(ShownText, LeavesAllElseAsItIs) {
  for (const std::string text : {"", "plain", "né 漢字 😀", R"(a\nb "c" 'd')"}) EXPECT_EQ(printable(text), text);
}

TEST(ShownText, IsMeasuredInColumns) {
  EXPECT_EQ(display_columns("né★"), 3);
  EXPECT_EQ(display_columns("漢字"), 4);
  EXPECT_EQ(display_columns("e\u0301"), 1);
  EXPECT_EQ(display_columns("\xFF\xFE"), 2);
}

TEST(ShownText, IsCutByCharactersToAWidth) {
  EXPECT_EQ(shortened("né★x", 3), "né…");
  EXPECT_EQ(shortened("né★", 3), "né★");
  EXPECT_EQ(shortened("漢字漢字", 4), "漢…");
  EXPECT_EQ(padded_right("漢", 4), "漢  ");
  EXPECT_EQ(padded_left("né", 4), "  né");
}

TEST(ShownText, WordsAreQuotedForAShellWhereTheyNeedIt) {
  EXPECT_EQ(shell_quoted("data/a-1.txt"), "data/a-1.txt");
  EXPECT_EQ(shell_quoted(""), "''");
  EXPECT_EQ(shell_quoted("a b; $HOME"), "'a b; $HOME'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted("a\n'\033"), "$'a\\x0a\\x27\\x1b'");
}

TEST(ErrorText, KeepsNamesFromOutsideOnOneLineAndWhole) {
  try {
    fail(ExitCode::bad_input, "{}: the token '{}' is twice there", "a\033[2J\nerror: b", "\0x"s);
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), R"(a\u001b[2J\nerror: b: the token '\u0000x' is twice there)");
  }
}

TEST(ErrorText, OfProblemsHasALineForEach) {
  Problems problems;
  problems.add("/a\nb", "unknown key");
  problems.add("/c", "{} is no number", "\033");
  EXPECT_EQ(problems.text("tiny\n.json"), "tiny\\n.json: /a\\nb: unknown key\ntiny\\n.json: /c: \\u001b is no number");
}

TEST(ErrorText, OfSeveralLinesIsAskedFor) {
  try {
    fail_lines(ExitCode::usage, {"two things:", "  a\nb", "  c"});
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "two things:\n  a\\nb\n  c");
  }
}

}  // namespace
}  // namespace kiln
