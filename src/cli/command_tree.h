// The program's commands and their arguments as data, for what is written from them: completion, the manual.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace kiln::cli {

/// What may follow an option, or stand in a position.
enum class Values { none, choices, files, others };

struct Argument {
  std::vector<std::string> names;  // "--json"; of a position, what the help calls it
  std::string help;
  std::string value;         // "FILE", what the help calls its value; empty for a flag
  std::string default_text;  // empty where there is none
  Values values;
  std::vector<std::string> choices;
};

struct Command {
  std::string path;  // "kiln tokenizer train"
  std::string name;
  std::string help;
  std::string footer;
  std::vector<Argument> options, positions;
  std::vector<Command> commands;
};

/// The tree of an app that has been set up.
Command describe(const CLI::App& app, const std::string& path);

/// The command and all below it, in the order of the help.
void flatten(const Command& command, std::vector<const Command*>& all);

}  // namespace kiln::cli
