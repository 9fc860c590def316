// kiln completion: writes completion scripts from the command tree, so that they are always up to date.
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

/// Puts a backslash before each character of `special`. A single quote closes the quotes, is escaped, and opens them
/// again.
std::string escape(std::string_view text, std::string_view special) {
  std::string escaped;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) escaped += '\\';
    escaped += c == '\'' ? "'\\''" : std::string(1, c);
  }
  return escaped;
}

/// Returns alternatives for a shell's case: the paths of all commands.
std::string paths_of(const std::vector<const Command*>& commands) {
  std::vector<std::string> paths;
  for (const Command* command : commands) paths.push_back(fmt::format("\"{}\"", command->path));
  return fmt::format("{}", fmt::join(paths, " | "));
}

/// Returns alternatives for a shell's case: "PATH OPTION" of all options for which `is_meant` is true.
template <class IsMeant>
std::string places_of(const std::vector<const Command*>& commands, IsMeant is_meant) {
  std::vector<std::string> places;
  for (const Command* command : commands) {
    for (const Argument& option : command->options) {
      if (!is_meant(option)) continue;
      for (const std::string& name : option.names) places.push_back(fmt::format("\"{} {}\"", command->path, name));
    }
  }
  return fmt::format("{}", fmt::join(places, " | "));
}

/// Returns true if the next word may be a subcommand or a path.
bool takes_command_or_path(const Command& command) {
  return !command.commands.empty() && !command.positions.empty() && command.positions[0].values == Values::files;
}

/// Returns lines of a case: the possible words at each place. Without any, bash completes file names.
std::string bash_words(const Command& command) {
  std::string lines;
  const auto add = [&](const std::string& place, const std::vector<std::string>& words) {
    if (!words.empty()) lines += fmt::format("    \"{}\") echo \"{}\" ;;\n", place, fmt::join(words, " "));
  };
  std::vector<std::string> first, options;
  for (const Command& below : command.commands) first.push_back(below.name);
  if (!command.positions.empty())
    first.insert(first.end(), command.positions[0].choices.begin(), command.positions[0].choices.end());
  for (const Argument& option : command.options) {
    options.insert(options.end(), option.names.begin(), option.names.end());
    for (const std::string& name : option.names) add(command.path + " " + name, option.choices);
  }
  add(command.path, first);
  add(command.path + " -", options);
  return lines;
}

std::string bash_script(const std::string& program, const std::vector<const Command*>& commands) {
  std::string words, values;
  std::vector<std::string> keys, with_path;
  for (const Command* command : commands) {
    words += bash_words(*command);
    if (takes_command_or_path(*command)) with_path.push_back(fmt::format("\"{}\"", command->path));
  }
  for (const ConfigKey& key : config_keys()) {
    keys.push_back(key.path);
    if (!key.choices.empty()) values += fmt::format("    {}) echo \"{}\" ;;\n", key.path, fmt::join(key.choices, " "));
  }
  const std::string with_value = places_of(
      commands, [](const Argument& option) { return option.values != Values::none && !option.value_is_free; });
  const std::string with_key =
      places_of(commands, [](const Argument& option) { return option.values == Values::keys; });
  return fmt::format(R"sh(# bash completion of {0}; to load it: source <({0} completion bash)
_{0}_words() {{
  case "$1" in
{1}  esac
}}
_{0}_values() {{
  case "$1" in
{2}  esac
}}
_{0}() {{
  local at={0} place i word current cut="" suffix="" offered
  local -a words=()
  for ((i = 1; i <= COMP_CWORD; ++i)); do  # bash may have cut words at "="
    word="${{COMP_WORDS[i]}}"
    if ((i > 1)) && [[ "$word" == "=" || "${{COMP_WORDS[i-1]}}" == "=" ]]; then
      words[${{#words[@]}}-1]+="$word"
    else
      words+=("$word")
    fi
  done
  current="${{words[${{#words[@]}}-1]}}"
  local previous=""
  for ((i = 0; i < ${{#words[@]}} - 1; ++i)); do
    previous="${{words[i]}}"
    case "$at $previous" in
      {3}) at="$at $previous" ;;
    esac
  done
  place="$at"
  if [[ "$current" == --*=* ]]; then
    place="$at ${{current%%=*}}"
    cut="${{current%%=*}}=" current="${{current#*=}}"
  else
    case "$at $previous" in
      {4}) place="$at $previous" ;;
      *) if [[ "$current" == -* ]]; then place="$at -"; fi ;;
    esac
  fi
  offered="$(_{0}_words "$place")"
  case "$place" in
    {5})
      if [[ "$current" == *=* ]]; then
        offered="$(_{0}_values "${{current%%=*}}")"
        cut="$cut${{current%%=*}}=" current="${{current#*=}}"
      else
        offered="{6}" suffix="="
        compopt -o nospace 2> /dev/null
      fi ;;
    {7}) compopt -o plusdirs 2> /dev/null ;;
  esac
  if [[ "$COMP_WORDBREAKS" == *"="* ]]; then cut=""; fi  # what bash replaces begins behind the last "="
  COMPREPLY=($(compgen -P "$cut" -S "$suffix" -W "$offered" -- "$current"))
}}
complete -o default -F _{0} {0}
)sh",
                     program, words, values, paths_of(commands), with_value, with_key, fmt::join(keys, " "),
                     fmt::join(with_path, " | "));
}

/// Returns the part of a zsh _arguments specification for an argument's values: ":message:action".
std::string zsh_values(const Argument& argument, const std::string& program) {
  const std::string message = escape(argument.value.empty() ? argument.names[0] : argument.value, ":\\");
  switch (argument.values) {
    case Values::none:
      return "";
    case Values::choices:
      return fmt::format(":{}:({})", message, fmt::join(argument.choices, " "));
    case Values::files:
      return fmt::format(":{}:_files", message);
    case Values::keys:
      return fmt::format(":{}:_{}_keys", message, program);
    case Values::others:
      break;
  }
  return fmt::format(":{}: ", message);
}

std::string zsh_option(const Argument& option, const std::string& program) {
  std::string lines;
  const std::string help = escape(option.help, "[]:\\");
  for (const std::string& name : option.names) {
    const bool equals = name.starts_with("--") && option.values != Values::none;
    lines += fmt::format(" \\\n        '{}{}{}{}[{}]{}{}'", option.many ? "*" : "",
                         option.names.size() > 1 ? fmt::format("({})", fmt::join(option.names, " ")) : "", name,
                         option.value_is_free ? "=-"
                         : equals             ? "="
                                              : "",
                         help, option.value_is_free ? ":" : "", zsh_values(option, program));
  }
  return lines;
}

std::string zsh_arguments(const Command& command, const std::string& program) {
  std::string lines;
  for (const Argument& option : command.options) lines += zsh_option(option, program);
  for (const Argument& position : command.positions) {
    const char* how_often = position.many ? "*" : position.required ? "" : ":";
    lines += fmt::format(" \\\n        '{}{}'", how_often, zsh_values(position, program));
  }
  std::string names;
  for (const Command& below : command.commands)
    names += fmt::format(" {}\\:\"{}\"", below.name, escape(below.help, ":\"()"));
  if (!names.empty()) lines += fmt::format(" \\\n        ':command:(({} ))'", names);
  return lines;
}

std::string zsh_script(const std::string& program, const std::vector<const Command*>& commands) {
  std::string cases, keys, values;
  for (const Command* command : commands) {
    const std::string arguments = zsh_arguments(*command, program);  // none after "kiln help plan"
    if (!arguments.empty()) cases += fmt::format("    (\"{}\") _arguments{} ;;\n", command->path, arguments);
  }
  for (const ConfigKey& key : config_keys()) {
    keys += fmt::format("    '{}:{}'\n", key.path, escape(key.help, "\\"));
    if (!key.choices.empty())
      values += fmt::format("      ({}) compadd -- {} ;;\n", key.path, fmt::join(key.choices, " "));
  }
  return fmt::format(R"sh(#compdef {0}
# zsh completion of {0}; put it into a folder of $fpath as _{0}, or: source <({0} completion zsh)
_{0}_keys() {{
  local key="${{PREFIX%%=*}}"
  local -a keys
  keys=(
{3}  )
  if compset -P 1 '*='; then
    case "$key" in
{4}    esac
  else
    _describe -t keys key keys -S =
  fi
}}
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
                     program, paths_of(commands), cases, keys, values);
}

std::string fish_argument(const Argument& argument, const std::string& program) {
  std::string text;
  for (const std::string& name : argument.names)
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (argument.values != Values::none && !argument.value_is_free) text += " -r";
  if (argument.values == Values::choices) text += fmt::format(" -f -a '{}'", fmt::join(argument.choices, " "));
  if (argument.values == Values::keys) text += fmt::format(" -f -a '(__{}_keys)'", program);
  if (argument.values == Values::files) text += " -F";
  return text + fmt::format(" -d '{}'", escape(argument.help, "\\"));
}

std::string fish_script(const std::string& program, const std::vector<const Command*>& commands) {
  std::string paths, lines, keys;
  for (const ConfigKey& key : config_keys()) {
    if (key.choices.empty())
      keys += fmt::format("  printf '%s\\t%s\\n' '{}=' '{}'\n", key.path, escape(key.help, "\\"));
    for (const std::string& choice : key.choices)
      keys += fmt::format("  printf '%s\\t%s\\n' '{}={}' '{}'\n", key.path, choice, escape(key.help, "\\"));
  }
  for (const Command* command : commands) {
    paths += fmt::format(" \"{}\"", command->path);
    const std::string here = fmt::format("complete -c {0} -n '__{0}_at \"{1}\"'", program, command->path);
    for (const Command& below : command->commands)
      lines += fmt::format("{} -f -a {} -d '{}'\n", here, below.name, escape(below.help, "\\"));
    for (const Argument& position : command->positions) {
      if (!position.choices.empty()) lines += fmt::format("{} -f -a '{}'\n", here, fmt::join(position.choices, " "));
    }
    if (takes_command_or_path(*command)) lines += here + " -F\n";
    for (const Argument& option : command->options) lines += here + fish_argument(option, program) + "\n";
  }
  return fmt::format(R"sh(# fish completion of {0}; to load it: {0} completion fish | source
function __{0}_keys
{3}end
function __{0}_at
  set -l at {0}
  for word in (commandline -opc)[2..-1]
    contains -- "$at $word"{1}; and set at "$at $word"
  end
  test "$at" = "$argv[1]"
end
{2})sh",
                     program, paths, lines, keys);
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
  add_choice(*command, "SHELL", *shell, std::array{"bash", "zsh", "fish"}, "shell to print the script for")->required();
  command->footer("Example: source <(kiln completion bash)");
  command->callback([&app, shell] { run_completion(app, *shell); });
}

}  // namespace kiln::cli
