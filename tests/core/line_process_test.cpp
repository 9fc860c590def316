// A program that answers lines: one that works, dies, hangs, does not read, or is not there.
#include "kiln/core/line_process.h"

#include "kiln/core/stopwatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/wait.h"
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/types.h>
#include <vector>

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
  const std::string line(std::size_t{4} << 20, 'x');  // cat writes while it reads
  EXPECT_EQ(program.ask(line, kLong), line);
}

TEST(LineProcess, SaysHowAProgramEnded) {
  LineProcess dies({"sh", "-c", "exit 3"});
  expect_error_with(ExitCode::failure, {"sh -c 'exit 3': ended with exit status 3 before it answered"},
                    [&] { dies.ask("x", kLong); });
  LineProcess is_killed({"sh", "-c", "kill -9 $$"});
  expect_error_with(ExitCode::failure, {"by signal 9"}, [&] { is_killed.ask("x", kLong); });
  LineProcess stops_midway({"sh", "-c", "read line; printf 0.5"});
  expect_error_with(ExitCode::failure, {"exit status 0 before it answered"}, [&] { stops_midway.ask("x", kLong); });
  LineProcess closes({"sh", "-c", "exec >&- <&-; sleep 30"});
  expect_error_with(ExitCode::failure, {"has closed its output"}, [&] { closes.ask("x", kLong); });
}

TEST(LineProcess, TheLastAnswerOfAProgramThatEndsCounts) {
  LineProcess program({"sh", "-c", "read line; echo $line; exit 4"});
  EXPECT_EQ(program.ask("x", kLong), "x");
  expect_error_with(ExitCode::failure, {"exit status 4"}, [&] { program.ask("y", kLong); });
}

TEST(LineProcess, DoesNotWaitForEverForAnAnswer) {
  LineProcess hangs({"sleep", "30"});
  expect_error_with(ExitCode::failure, {"sleep 30: has not answered within 0.1 s"}, [&] { hangs.ask("x", 0.1); });
  LineProcess trickles({"sh", "-c", "read line; while :; do printf x; sleep 0.02; done"});
  expect_error_with(ExitCode::failure, {"has not answered within 0.2 s"}, [&] { trickles.ask("x", 0.2); });
}

TEST(LineProcess, AWaitCanBeEnded) {
  struct Ended {};
  LineProcess hangs({"sleep", "30"});
  const Stopwatch stopwatch;
  int calls = 0;
  const auto end = [&] {
    if (++calls == 4) throw Ended();
  };
  EXPECT_THROW(hangs.ask("x", kLong, end), Ended);
  EXPECT_LT(stopwatch.seconds(), 10);  // three waits of a tenth of a second
}

TEST(LineProcess, DoesNotWaitForEverForAProgramThatDoesNotRead) {
  const std::string line(std::size_t{4} << 20, 'x');
  LineProcess sleeps({"sleep", "30"});
  expect_error_with(ExitCode::failure, {"has not read its question within 0.2 s"}, [&] { sleeps.ask(line, 0.2); });
  LineProcess answers({"sh", "-c", "echo 1; exec sleep 30"});  // without having read what it was asked
  expect_error_with(ExitCode::failure, {"sleep 30"}, [&] { answers.ask(line, 0.2); });
}

TEST(LineProcess, ALineThatNoQuestionAskedForIsAnError) {
  LineProcess program({"sh", "-c", "while read -r line; do printf '1\\n2\\n'; done"});
  expect_error_with(ExitCode::failure, {R"(has written "1\n2\n", more than one line for a question)"},
                    [&] { program.ask("x", kLong); });
  const testing::Scratch scratch;
  const std::string go = scratch.path("go").string(), gone = scratch.path("gone").string();
  LineProcess adds(
      {"sh", "-c", "read l; echo 1; until [ -e $0 ]; do sleep 0.01; done; echo 2; : > $1; read l", go, gone});
  EXPECT_EQ(adds.ask("x", kLong), "1");
  scratch.write("go", "");
  EXPECT_TRUE(testing::wait_until([&] { return std::filesystem::exists(gone); }));
  expect_error_with(ExitCode::failure, {R"(has written "2\n" unasked)"}, [&] { adds.ask("y", kLong); });
}

/// Returns true while a process of this id runs. One that init has yet to wait for does not run.
bool is_running(pid_t id) {
  std::ifstream file("/proc/" + std::to_string(id) + "/stat");
  std::string number, name, state;
  return bool(file >> number >> name >> state) && state != "Z";
}

TEST(LineProcess, TheProgramsThatItStartedEndWithIt) {
  for (const std::string last : {"wait", "exit"}) {  // a program that hangs, and one that ends by itself
    pid_t child = 0;
    {
      LineProcess program({"sh", "-c", "sleep 60 & read -r line; echo $!; " + last});
      child = std::stoi(program.ask("x", kLong));
      EXPECT_TRUE(is_running(child));
    }
    EXPECT_TRUE(testing::wait_until([&] { return !is_running(child); })) << last;
  }
}

TEST(LineProcess, LeadsAGroupOfItsOwnAndBlocksNoSignal) {
  LineProcess program({"sh", "-c", "read -r line; read -r a b c d group rest < /proc/$$/stat; echo $$ $group"});
  const std::string ids = program.ask("x", kLong);
  EXPECT_EQ(ids.substr(0, ids.find(' ')), ids.substr(ids.find(' ') + 1));
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);  // as a training does
  LineProcess other({"sh", "-c", "read -r line; grep SigBlk /proc/self/status"});
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_THAT(other.ask("x", kLong), ::testing::EndsWith("0000000000000000"));
}

TEST(LineProcess, AProgramThatIsMissingIsAnError) {
  expect_error_with(ExitCode::usage, {"no-such-program", "cannot be started"},
                    [] { const LineProcess missing({"no-such-program"}); });
  expect_error_with(ExitCode::usage, {"each argument as a word of its own"},
                    [] { const LineProcess unsplit({"sh script.sh"}); });
}

TEST(LineProcess, ItsCommandIsShownAsAShellWouldTakeIt) {
  EXPECT_EQ(shown_command(std::vector<std::string>{"python3", "a b.py", "--x=1"}), "python3 'a b.py' --x=1");
}

}  // namespace
}  // namespace kiln
