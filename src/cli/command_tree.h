// Describes the program's commands, their arguments and the keys of a config as data, from which completion and the
// manual are written.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace kiln::cli {

/// The values an argument takes: one of `choices`; a path; KEY=VALUE of a config; anything else.
enum class Values { none, choices, files, keys, others };

struct Argument {
  std::vector<std::string> names;  // "-h", "--help"; for a position, its name in the help
  std::string help;
  std::string value;         // the name of its value in the help: "FILE", "hf|gguf|llmc"; empty for a flag
  std::string default_text;  // empty if there is none
  Values values;
  std::vector<std::string> choices;          // words that the value may be; others too, as `values` allows
  std::vector<std::string> needs, excludes;  // names of options that must, or may not, be given too
  bool required;
  bool many;           // takes several values, or may be repeated
  bool is_both;        // may be an option or a position, and is in both lists
  bool value_is_free;  // the value may be omitted: --resume, --resume=auto
};

struct Command {
  std::string path;  // "kiln tokenizer train"
  std::string name;
  std::string help;
  std::string footer;
  std::vector<Argument> options, positions;
  std::vector<Command> commands;
  bool runs;  // false: a group, which needs one of its commands, or a command that kiln help explains
};

/// A key of a config, as --set takes it.
struct ConfigKey {
  std::string path;  // "train.precision"
  std::string help;
  std::vector<std::string> choices;  // of an enumeration, or true and false
};

/// Returns the command tree of a fully set-up app.
Command describe(const CLI::App& app, const std::string& path);

/// Appends the command and all its subcommands, in the order of the help.
void flatten(const Command& command, std::vector<const Command*>& all);

/// Returns all keys of a config, in the order of the reference.
std::vector<ConfigKey> config_keys();

}  // namespace kiln::cli
