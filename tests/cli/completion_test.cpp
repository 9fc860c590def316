// kiln completion: scripts that a shell accepts, and what bash completes with them.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/process.h"
#include "support/scratch.h"
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;

/// What bash offers at the end of a command line, one a line. `words` are the line as bash cuts it; `breaks` are the
/// characters that it cuts at.
std::string complete(const std::string& words, const std::string& breaks = " =:") {
  const std::string script = "source /dev/stdin; COMP_WORDBREAKS='" + breaks + "' COMP_WORDS=(" + words +
                             "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _kiln; printf '%s\\n' \"${COMPREPLY[@]}\"";
  const Outcome outcome = testing::run({"bash", "-c", script}, run_kiln({"completion", "bash"}).out);
  EXPECT_EQ(outcome.err, "");
  return outcome.out;
}

bool is_installed(const std::string& shell) { return testing::run({"sh", "-c", "command -v " + shell}).code == 0; }

/// What fish offers, one a line, without the descriptions.
std::string complete_in_fish(const std::string& line) {
  const Outcome outcome = testing::run(
      {"fish", "--no-config", "-c", "source /dev/stdin; complete -C \"" + line + "\" | string split -f1 \\t"},
      run_kiln({"completion", "fish"}).out);
  EXPECT_EQ(outcome.err, "");
  return outcome.out;
}

/// What zsh offers, one a line: an interactive zsh behind a pseudo-terminal, whose Tab writes what completion adds into
/// a file.
std::string complete_in_zsh(const testing::Scratch& scratch, const std::string& line) {
  const std::string folder = scratch.path().string();
  const std::string offered = folder + "/offered";
  std::filesystem::remove(offered);
  scratch.write("kiln.zsh", run_kiln({"completion", "zsh"}).out);
  scratch.write("set_up.zsh", R"(
PROMPT= RPROMPT=
autoload -Uz compinit
compinit -u -D
source $FOLDER/kiln.zsh
function compadd {
  local -a flags found
  flags=("${@[1,(i)(-|--)]}")
  if [[ -z "${flags[(r)-[OAD]]}" ]]; then
    builtin compadd -A found "$@"
    print -rl -- $found >> $FOLDER/part
  fi
  builtin compadd "$@"
}
function offer {
  : > $FOLDER/part
  zle complete-word
  mv $FOLDER/part $FOLDER/offered
}
zle -N offer
bindkey '^I' offer
)");
  const std::string driver = scratch.write("drive.zsh", R"(
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "FOLDER=$1; source $1/set_up.zsh"
zpty -w -n shell "$2"$'\t'
for i in {1..300}; do [[ -e $1/offered ]] && break; sleep 0.1; done
zpty -d shell
)");
  const Outcome outcome = testing::run({"zsh", "-f", driver, folder, line});
  EXPECT_EQ(outcome.err, "");
  return std::filesystem::exists(offered) ? read_file(offered) : "nothing was offered\n";
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

TEST(CompletionCommand, CompletesAValueBehindAnEqualsSign) {
  EXPECT_EQ(complete("kiln export runs/a --to = g"), "gguf\n");  // as bash cuts --to=g
  EXPECT_EQ(complete("kiln export runs/a --to ="), "hf\ngguf\nllmc\n");
  EXPECT_EQ(complete("kiln export runs/a --to=g", " "), "--to=gguf\n");  // in a bash that does not cut there
  EXPECT_EQ(complete("kiln sample runs/a --checkpoint ''"), "latest\nbest\n");
  EXPECT_EQ(complete("kiln sample runs/a --checkpoint = b"), "best\n");
  EXPECT_EQ(complete("kiln eval runs/a --precision = f --ch"), "--checkpoint\n");
}

TEST(CompletionCommand, KnowsTheKeysOfAConfigAndTheirValues) {
  EXPECT_EQ(complete("kiln train a.json --set model.n_h"), "model.n_heads=\n");
  EXPECT_EQ(complete("kiln train a.json --set = model.n_h"), "model.n_heads=\n");
  EXPECT_EQ(complete("kiln train a.json --set train.precision = ''"), "fp32\nbf16\nauto\n");
  EXPECT_EQ(complete("kiln train a.json --set = train.precision = b"), "bf16\n");
  EXPECT_EQ(complete("kiln train a.json --set train.precision=b", " "), "train.precision=bf16\n");
  EXPECT_EQ(complete("kiln train a.json --set=train.precision=b", " "), "--set=train.precision=bf16\n");
  EXPECT_EQ(complete("kiln plan a.json --set model.bias = ''"), "true\nfalse\n");
  EXPECT_EQ(complete("kiln plan a.json --set train.batch_size = ''"), "all\n");
}

TEST(CompletionCommand, CompletesInFish) {
  if (!is_installed("fish")) GTEST_SKIP() << "fish is not installed";
  EXPECT_EQ(complete_in_fish("kiln tokenizer tr"), "train\n");
  EXPECT_EQ(complete_in_fish("kiln help tokenizer tr"), "train\n");
  EXPECT_EQ(complete_in_fish("kiln runs rm src/cl"), "src/cli/\n");
  EXPECT_THAT(complete_in_fish("kiln runs "), AllOf(HasSubstr("rm\n"), HasSubstr("src/\n")));
  EXPECT_EQ(complete_in_fish("kiln export runs/a --to g"), "gguf\n");
  EXPECT_EQ(complete_in_fish("kiln export runs/a --to=g"), "--to=gguf\n");
  EXPECT_EQ(complete_in_fish("kiln sample runs/a --checkpoint "), "best\nlatest\n");
  EXPECT_EQ(complete_in_fish("kiln train a.json --set model.n_h"), "model.n_heads=\n");
  EXPECT_EQ(complete_in_fish("kiln train a.json --set train.precision=b"), "train.precision=bf16\n");
}

TEST(CompletionCommand, CompletesInZsh) {
  if (!is_installed("zsh")) GTEST_SKIP() << "zsh is not installed";
  const testing::Scratch scratch;
  EXPECT_EQ(complete_in_zsh(scratch, "kiln export runs/a --to "), "hf\ngguf\nllmc\n");
  EXPECT_EQ(complete_in_zsh(scratch, "kiln export runs/a --to=g"), "gguf\n");
  EXPECT_EQ(complete_in_zsh(scratch, "kiln sample runs/a --checkpoint "), "latest\nbest\n");
  EXPECT_EQ(complete_in_zsh(scratch, "kiln train a.json --set model.n_h"), "model.n_heads\n");
  EXPECT_EQ(complete_in_zsh(scratch, "kiln train a.json --set train.precision=b"), "bf16\n");
  EXPECT_EQ(complete_in_zsh(scratch, "kiln tokenizer tr"), "train\n");
  EXPECT_EQ(complete_in_zsh(scratch, "kiln help tokenizer tr"), "train\n");
}

TEST(CompletionCommand, KnowsCommandsToExplain) {
  EXPECT_EQ(complete("kiln help tok"), "tokenizer\n");
  EXPECT_EQ(complete("kiln help tokenizer ''"), "train\nencode\ndecode\ninfo\n");
  EXPECT_EQ(complete("kiln help tokenizer train ''"), "\n");
  EXPECT_EQ(complete("kiln vers"), "version\n");
}

TEST(CompletionCommand, OffersCommandsBesideFolders) {
  EXPECT_EQ(complete("kiln runs ''"), "rm\nmv\n");
  EXPECT_EQ(complete("kiln runs rm ''"), "\n");
  EXPECT_THAT(run_kiln({"completion", "bash"}).out, HasSubstr("    \"kiln runs\") compopt -o plusdirs"));
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
    if (!is_installed(shell)) continue;
    const Outcome outcome = testing::run({shell, "-n", "/dev/stdin"}, run_kiln({"completion", shell}).out);
    EXPECT_EQ(outcome.code, 0) << shell << ": " << outcome.err;
  }
}

TEST(ManualCommand, ShowsChoicesAndWhatMayBeLeftOut) {
  const std::string manual = run_kiln({"manual"}).out;
  for (const char* part :
       {".SS \"kiln export \\-\\-to hf|gguf|llmc \\-\\-output PATH [options] RUN\"", "\\fI hf|gguf|llmc\\fR",
        ".SS \"kiln sample [options] RUN [PROMPT]\"", ".SS \"kiln inspect [options] RUN PROMPT\"",
        ".SS \"kiln plot [options] RUN...\"", ".SS \"kiln completion SHELL\"", "\\fBSHELL\\fR\\fI bash|zsh|fish\\fR"}) {
    EXPECT_THAT(manual, HasSubstr(part));
  }
  EXPECT_THAT(manual, ::testing::Not(HasSubstr("\\fI one of")));
  EXPECT_THAT(manual, ::testing::Not(HasSubstr("(default: [])")));
  const std::size_t inspect = manual.find(".SS \"kiln inspect");
  EXPECT_LT(manual.find("\\fB\\-\\-prompt\\fR", inspect), manual.find(".SS", inspect + 1));
}

TEST(ManualCommand, TellsWhatAnOptionNeedsAndExcludes) {
  const std::string manual = run_kiln({"manual"}).out;
  for (const char* part :
       {" (default: llmc; needs \\-\\-to)", " (needs \\-\\-ranks)", " (excludes \\-\\-prompt, \\-\\-prompt\\-file)"}) {
    EXPECT_THAT(manual, HasSubstr(part));
  }
}

TEST(ManualCommand, HasASectionForEveryCommandAndAnEntryForEveryOption) {
  const std::string manual = run_kiln({"manual"}).out;
  for (const char* part : {".SS \"kiln train [options] [CONFIG]\"", ".SS \"kiln runs [options] [DIR]\"",
                           ".SS \"kiln runs rm [options] RUN...\"", ".SS \"kiln help [COMMAND...]\"",
                           ".SS \"kiln tokenizer encode [options] TOKENIZER\"", "\\fB\\-\\-overwrite\\fR",
                           "\\fB\\-\\-temperature\\fR", "(default: 1)", ".SH EXIT STATUS"}) {
    EXPECT_THAT(manual, HasSubstr(part));
  }
  EXPECT_THAT(manual, ::testing::Not(HasSubstr(".SS \"kiln help tokenizer")));
  EXPECT_THAT(manual, ::testing::Not(HasSubstr("kiln tokenizer\"")));
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
