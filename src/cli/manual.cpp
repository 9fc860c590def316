// kiln manual: writes the man page from the command tree, so that it is always up to date.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command_tree.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {
namespace {

/// Escapes text for man: backslashes and hyphens are literal, and no line is read as a request.
std::string roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    const bool begins_line = escaped.empty() || escaped.back() == '\n';
    if (begins_line && (c == '.' || c == '\'')) escaped += "\\&";
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

/// Returns "--to hf|gguf|llmc", "--resume[=auto]", "--quiet".
std::string usage(const Argument& option) {
  const std::string_view value = std::string_view(option.value).substr(0, option.value.find(':'));
  if (value.empty()) return option.names.back();
  return fmt::format(fmt::runtime(option.value_is_free ? "{}[={}]" : "{} {}"), option.names.back(), value);
}

std::string entry(const Argument& argument) {
  std::string head = fmt::format("\\fB{}\\fR", roff(fmt::format("{}", fmt::join(argument.names, ", "))));
  const bool is_option = argument.names.front().starts_with('-');
  if (!argument.value.empty() && (is_option || !argument.choices.empty())) {
    const std::string value = usage(argument).substr(argument.names.back().size());
    head += fmt::format("\\fI{}\\fR", roff(value));
  }
  std::vector<std::string> notes;
  if (!argument.default_text.empty()) notes.push_back("default: " + argument.default_text);
  if (!argument.needs.empty()) notes.push_back(fmt::format("needs {}", fmt::join(argument.needs, ", ")));
  if (!argument.excludes.empty()) notes.push_back(fmt::format("excludes {}", fmt::join(argument.excludes, ", ")));
  std::string text = roff(argument.help);
  if (!notes.empty()) text += fmt::format(" ({})", roff(fmt::format("{}", fmt::join(notes, "; "))));
  return fmt::format(".TP\n{}\n{}\n", head, text);
}

/// Returns "kiln export --to hf|gguf|llmc --output PATH [options] RUN": required arguments, then optional ones.
std::string synopsis(const Command& command) {
  std::string text = command.path;
  bool others = false;  // besides --help
  for (const Argument& option : command.options) {
    const bool is_position =
        std::ranges::any_of(command.positions, [&](const Argument& position) { return position.help == option.help; });
    if (option.required && !is_position) {
      text += " " + usage(option);
    } else {
      others = others || option.names.back() != "--help";
    }
  }
  if (others) text += " [options]";
  for (const Argument& position : command.positions) {
    const std::string name = position.names.front() + (position.many ? "..." : "");
    text += position.required ? " " + name : " [" + name + "]";
  }
  return text;
}

std::string section(const Command& command) {
  std::string text = fmt::format(".SS \"{}\"\n{}.\n", roff(synopsis(command)), roff(command.help));
  for (const Argument& position : command.positions) text += entry(position);
  for (const Argument& option : command.options) {
    if (option.names.back() != "--help") text += entry(option);
  }
  if (!command.footer.empty()) text += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(command.footer));
  return text;
}

std::string manual(const Command& root) {
  std::vector<const Command*> commands;
  flatten(root, commands);
  std::string text = fmt::format(
      R"(.TH KILN 1 "" "kiln {}" "User Commands"
.SH NAME
kiln \- train, evaluate and sample GPT\-style transformers
.SH SYNOPSIS
\fBkiln\fR \fICOMMAND\fR [options]
.SH DESCRIPTION
{}
.PP
\fIRUN\fR is a run directory (its best checkpoint where there was validation, else the latest), a checkpoint folder, a
Hugging Face folder of the GPT\-2 or Llama family, or a model file of llm.c.
.SH COMMANDS
)",
      KILN_VERSION, roff(root.help));
  for (const Command* command : commands) {
    if (command != &root && command->runs) text += section(*command);
  }
  return text + R"(.SH EXIT STATUS
0 done; 1 a check failed; 2 usage or config; 3 a bad input file; 4 diverged; 5 reading or writing failed, or the disk
is full; 129, 130, 143 stopped by a signal after saving.
.SH FILES
.TP
\fIruns/NAME\fR
what a run leaves: config.json, metrics.jsonl, loss.svg, train.log, checkpoints/ and tokens/
.SH ENVIRONMENT
.TP
\fBNO_COLOR\fR
no colours
.TP
\fBOMP_NUM_THREADS\fR
the number of threads, where the config does not say
)";
}

}  // namespace

void add_manual(CLI::App& app) {
  CLI::App* command = app.add_subcommand("manual", "Print the man page");
  command->footer("Example: kiln manual | man -l -");
  command->callback([&app] { write_stdout(manual(describe(app, app.get_name()))); });
}

}  // namespace kiln::cli
