// kiln completion: scripts that a shell accepts, and what bash completes with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/process.h"
#include <sstream>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;

/// What bash offers at the end of a command line, one a line.
std::string complete(const std::string& line) {
  const std::string script = "source /dev/stdin; COMP_WORDS=(" + line + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); " +
                             "_kiln; printf '%s\\n' \"${COMPREPLY[@]}\"";
  const Outcome outcome = testing::run({"bash", "-c", script}, run_kiln({"completion", "bash"}).out);
  EXPECT_EQ(outcome.err, "");
  return outcome.out;
}

TEST(CompletionCommand, WritesAScriptThatBashAccepts) {
  const Outcome outcome = testing::run({"bash", "-n"}, run_kiln({"completion", "bash"}).out);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}

TEST(CompletionCommand, CompletesCommandsOptionsAndChoices) {
  EXPECT_EQ(complete("kiln tr"), "train\n");
  EXPECT_EQ(complete("kiln tokenizer ''"), "train\nencode\ndecode\ninfo\n");
  EXPECT_EQ(complete("kiln tokenizer tr"), "train\n");
  EXPECT_EQ(complete("kiln train --over"), "--overwrite\n");
  EXPECT_EQ(complete("kiln tokenizer train --pattern ''"), "gpt2\ncl100k\ngpt2_digits\n");
  EXPECT_EQ(complete("kiln completion f"), "fish\n");
  EXPECT_EQ(complete("kiln export runs/a --to ''"), "hf\ngguf\nllmc\n");
  EXPECT_THAT(complete("kiln eval runs/a --"), AllOf(HasSubstr("--data\n"), HasSubstr("--checkpoint\n")));
}

TEST(CompletionCommand, LeavesPathsToBash) {
  EXPECT_THAT(run_kiln({"completion", "bash"}).out, HasSubstr("complete -o default -F _kiln kiln"));
  for (const char* line : {"kiln train ''", "kiln sample runs/", "kiln eval --data ''", "kiln train train"}) {
    EXPECT_EQ(complete(line), "\n") << line;
  }
}

TEST(CompletionCommand, KnowsEveryCommandAndOptionInEveryShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome = run_kiln({"completion", shell});
    EXPECT_EQ(outcome.code, 0);
    for (const char* command : {"train", "sample", "eval", "plan", "inspect", "gradcheck", "plot", "verify", "diff",
                                "export", "import", "runs", "tokenizer"})
      EXPECT_THAT(outcome.out, HasSubstr(std::string("\"kiln ") + command + "\"")) << shell;
    EXPECT_THAT(outcome.out, HasSubstr("document-separator")) << shell;
  }
}

TEST(CompletionCommand, WritesScriptsThatZshAndFishAccept) {
  for (const char* shell : {"zsh", "fish"}) {
    if (testing::run({"sh", "-c", std::string("command -v ") + shell}).code != 0) continue;  // not installed here
    const Outcome outcome = testing::run({shell, "-n", "/dev/stdin"}, run_kiln({"completion", shell}).out);
    EXPECT_EQ(outcome.code, 0) << shell << ": " << outcome.err;
  }
}

TEST(ManualCommand, HasASectionForEveryCommandAndAnEntryForEveryOption) {
  const std::string manual = run_kiln({"manual"}).out;
  for (const char* part : {".SS \"kiln train [options] CONFIG\"", ".SS \"kiln tokenizer encode [options]\"",
                           "\\fB\\-\\-overwrite\\fR", "\\fB\\-\\-temperature\\fR", "(default: 1)", ".SH EXIT STATUS"}) {
    EXPECT_THAT(manual, HasSubstr(part));
  }
  EXPECT_THAT(manual, ::testing::Not(HasSubstr("--")));  // a bare hyphen becomes a typographic one
  std::istringstream lines(manual);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('.')) {
      EXPECT_THAT(line, ::testing::MatchesRegex("\\.(TH|SH|SS|TP|PP|nf|fi)( .*)?")) << line;
    }
  }
}

}  // namespace
}  // namespace kiln
