// The program's commands, their arguments and the keys of a config as data: completion and the manual are written from
// this one description.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace kiln::cli {

/// What an argument's value may be: one of `choices`; a path; KEY=VALUE of a config; anything else.
enum class Values { none, choices, files, keys, others };

struct Argument {
  std::vector<std::string> names;  // "-h", "--help"; of a position, what the help calls it
  std::string help;
  std::string value;         // "FILE", "hf|gguf|llmc": what the help calls its value; empty for a flag
  std::string default_text;  // empty where there is none
  Values values;
  std::vector<std::string> choices;  // words that the value may be; beside them others where `values` says so
  bool required;
  bool many;           // takes several values, or may be repeated
  bool is_both;        // may be given as an option or in a position, and stands in both lists
  bool value_is_free;  // may stand without its value: --resume, --resume=auto
};

struct Command {
  std::string path;  // "kiln tokenizer train"
  std::string name;
  std::string help;
  std::string footer;
  std::vector<Argument> options, positions;
  std::vector<Command> commands;
};

/// A key of a config, as --set takes it.
struct ConfigKey {
  std::string path;  // "train.precision"
  std::string help;
  std::vector<std::string> choices;  // where it has names, or true and false
};

/// Returns the tree of an app that has been set up.
Command describe(const CLI::App& app, const std::string& path);

/// Appends the command and all below it, in the order of the help.
void flatten(const Command& command, std::vector<const Command*>& all);

/// Returns every key of a config, in the order of the reference.
std::vector<ConfigKey> config_keys();

}  // namespace kiln::cli
