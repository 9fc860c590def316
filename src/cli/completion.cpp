// kiln completion: scripts for shells, written from the tree of commands itself, so that they never lag behind it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/arguments.h"
#include "cli/command_tree.h"
#include "cli/commands.h"
#include "cli/output.h"
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {
namespace {

/// The text with a backslash before each of `special`; a single quote ends the quotes, is escaped, and opens them
/// again.
std::string escape(std::string_view text, std::string_view special) {
  std::string escaped;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) escaped += '\\';
    escaped += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return escaped;
}

/// The names of all commands, or of the options that take a value, as alternatives of a shell's case.
std::string places(const std::vector<const Command*>& commands, bool of_options) {
  std::vector<std::string> places;
  for (const Command* command : commands) {
    if (!of_options) places.push_back(fmt::format("\"{}\"", command->path));
    for (const Argument& option : command->options) {
      if (!of_options || option.values == Values::none) continue;
      for (const std::string& name : option.names) places.push_back(fmt::format("\"{} {}\"", command->path, name));
    }
  }
  return fmt::format("{}", fmt::join(places, " | "));
}

/// Lines of a case: the words that may stand at a place. Where nothing is said, bash offers files.
std::string bash_words(const Command& command) {
  std::string lines;
  const auto add = [&](const std::string& place, const std::vector<std::string>& words) {
    if (!words.empty()) lines += fmt::format("    \"{}\") echo \"{}\" ;;\n", place, fmt::join(words, " "));
  };
  std::vector<std::string> first, options;
  for (const Command& below : command.commands) first.push_back(below.name);
  if (!command.positions.empty()) first = command.positions[0].choices;
  for (const Argument& option : command.options) {
    options.insert(options.end(), option.names.begin(), option.names.end());
    for (const std::string& name : option.names) add(command.path + " " + name, option.choices);
  }
  add(command.path, first);
  add(command.path + " -", options);
  return lines;
}

std::string bash_script(const std::string& program, const std::vector<const Command*>& commands) {
  std::string words;
  for (const Command* command : commands) words += bash_words(*command);
  return fmt::format(R"sh(# bash completion of {0}; to load it: source <({0} completion bash)
_{0}_words() {{
  case "$1" in
{1}  esac
}}
_{0}() {{
  local at={0} word current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$at $word" in
      {2}) at="$at $word" ;;
    esac
  done
  case "$at $previous" in
    {3}) at="$at $previous" ;;
    *) if [[ "$current" == -* ]]; then at="$at -"; fi ;;
  esac
  COMPREPLY=($(compgen -W "$(_{0}_words "$at")" -- "$current"))
}}
complete -o default -F _{0} {0}
)sh",
                     program, words, places(commands, false), places(commands, true));
}

/// What zsh's _arguments takes for the values of an argument: ":message:action".
std::string zsh_values(const Argument& argument, std::string_view message) {
  switch (argument.values) {
    case Values::none:
      return "";
    case Values::choices:
      return fmt::format(":{}:({})", message, fmt::join(argument.choices, " "));
    case Values::files:
      return fmt::format(":{}:_files", message);
    case Values::others:
      break;
  }
  return fmt::format(":{}: ", message);
}

std::string zsh_arguments(const Command& command) {
  std::string lines;
  for (const Argument& option : command.options) {
    for (const std::string& name : option.names)
      lines += fmt::format(" \\\n        '*{}[{}]{}'", name, escape(option.help, "[]:\\"), zsh_values(option, "value"));
  }
  for (const Argument& position : command.positions)
    lines += fmt::format(" \\\n        '{}'", zsh_values(position, escape(position.names[0], ":")));
  std::string names;
  for (const Command& below : command.commands)
    names += fmt::format(" {}\\:\"{}\"", below.name, escape(below.help, ":\"()"));
  if (!names.empty()) lines += fmt::format(" \\\n        ':command:(({} ))'", names);
  return lines;
}

std::string zsh_script(const std::string& program, const std::vector<const Command*>& commands) {
  std::string cases;
  for (const Command* command : commands)
    cases += fmt::format("    (\"{}\") _arguments{} ;;\n", command->path, zsh_arguments(*command));
  return fmt::format(R"sh(#compdef {0}
# zsh completion of {0}; put it into a folder of $fpath as _{0}, or: source <({0} completion zsh)
_{0}() {{
  local at={0} word
  while (( CURRENT > 2 )); do
    case "$at $words[2]" in
      ({1}) at="$at $words[2]"; shift words; (( CURRENT-- )) ;;
      (*) break ;;
    esac
  done
  case "$at" in
{2}  esac
}}
if [[ "$funcstack[1]" == "_{0}" ]]; then _{0} "$@"; else compdef _{0} {0}; fi
)sh",
                     program, places(commands, false), cases);
}

std::string fish_argument(const Argument& argument) {
  std::string text;
  for (const std::string& name : argument.names)
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (argument.values != Values::none) text += " -r";
  if (argument.values == Values::choices) text += fmt::format(" -f -a '{}'", fmt::join(argument.choices, " "));
  if (argument.values == Values::files) text += " -F";
  return text + fmt::format(" -d '{}'", escape(argument.help, "\\"));
}

std::string fish_script(const std::string& program, const std::vector<const Command*>& commands) {
  std::string paths, lines;
  for (const Command* command : commands) {
    paths += fmt::format(" \"{}\"", command->path);
    const std::string here = fmt::format("complete -c {0} -n '__{0}_at \"{1}\"'", program, command->path);
    for (const Command& below : command->commands)
      lines += fmt::format("{} -f -a {} -d '{}'\n", here, below.name, escape(below.help, "\\"));
    for (const Argument& position : command->positions) {
      if (!position.choices.empty()) lines += fmt::format("{} -f -a '{}'\n", here, fmt::join(position.choices, " "));
    }
    for (const Argument& option : command->options) lines += here + fish_argument(option) + "\n";
  }
  return fmt::format(R"sh(# fish completion of {0}; to load it: {0} completion fish | source
function __{0}_at
  set -l at {0}
  for word in (commandline -opc)[2..-1]
    contains -- "$at $word"{1}; and set at "$at $word"
  end
  test "$at" = "$argv[1]"
end
{2})sh",
                     program, paths, lines);
}

void run_completion(const CLI::App& app, const std::string& shell) {
  const Command root = describe(app, app.get_name());
  std::vector<const Command*> commands;
  flatten(root, commands);
  const auto script = shell == "bash" ? bash_script : shell == "zsh" ? zsh_script : fish_script;
  write_stdout(script(root.name, commands));
}

}  // namespace

void add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("completion", "Print a script that lets a shell complete commands and options");
  add_choice(*command, "SHELL", *shell, std::array{"bash", "zsh", "fish"}, "whose script")->required();
  command->footer("Example: source <(kiln completion bash)");
  command->callback([&app, shell] { run_completion(app, *shell); });
}

}  // namespace kiln::cli
