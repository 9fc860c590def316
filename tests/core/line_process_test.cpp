// A program that answers lines: one that works, dies, hangs, or is not there.
#include "kiln/core/line_process.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include <string>

namespace kiln {
namespace {

using testing::expect_error_with;

constexpr double kLong = 20;  // seconds

TEST(LineProcess, AnswersLineByLineAndStaysAlive) {
  LineProcess program({"sh", "-c", "n=0; while read -r line; do n=$((n + 1)); echo \"$n $line\"; done"});
  EXPECT_EQ(program.ask("one", kLong), "1 one");
  EXPECT_EQ(program.ask("two \"quoted\" $words", kLong), "2 two \"quoted\" $words");
}

TEST(LineProcess, PassesArgumentsWithoutAShell) {
  LineProcess program({"sh", "-c", "read line; printf '%s|%s\\n' \"$1\" \"$line\"", "name", "a b; $HOME"});
  EXPECT_EQ(program.ask("x", kLong), "a b; $HOME|x");
}

TEST(LineProcess, TakesLinesLongerThanAPipe) {
  LineProcess program({"cat"});
  const std::string line(1 << 17, 'x');
  EXPECT_EQ(program.ask(line, kLong), line);
}

TEST(LineProcess, SaysHowAProgramEnded) {
  LineProcess dies({"sh", "-c", "exit 3"});
  expect_error_with(ExitCode::failure, {"sh -c exit 3", "exit status 3", "before it answered"},
                    [&] { dies.ask("x", kLong); });
  LineProcess is_killed({"sh", "-c", "kill -9 $$"});
  expect_error_with(ExitCode::failure, {"by signal 9"}, [&] { is_killed.ask("x", kLong); });
}

TEST(LineProcess, DoesNotWaitForEverForAnAnswer) {
  LineProcess hangs({"sleep", "30"});
  expect_error_with(ExitCode::failure, {"sleep 30", "says nothing for 0.1 s"}, [&] { hangs.ask("x", 0.1); });
}

TEST(LineProcess, AProgramThatIsMissingIsAnError) {
  expect_error_with(ExitCode::usage, {"no-such-program", "cannot be started"},
                    [] { const LineProcess missing({"no-such-program"}); });
}

}  // namespace
}  // namespace kiln
