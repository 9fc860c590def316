// Converts CLI11's objects and the schema of configs to plain structs.
#include "cli/command_tree.h"

#include "kiln/core/json.h"
#include "kiln/run/config.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>

namespace kiln::cli {
namespace {

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

/// Returns the literal words of a type such as "latest|best|STEP": those without capital letters.
std::vector<std::string> words_of(const std::string& type) {
  std::vector<std::string> words = CLI::detail::split(type, '|');
  std::erase_if(words, [](const std::string& word) {
    return std::ranges::any_of(word, [](unsigned char c) { return std::isupper(c) != 0; });
  });
  return words;
}

Values values_of(const CLI::Option& option, const std::string& type) {
  constexpr std::array<std::string_view, 4> kPaths{"FILE", "DIR", "PATH", "CONFIG"};
  if (!takes_value(option)) return Values::none;
  if (type == "KEY.PATH=VALUE") return Values::keys;
  if (std::ranges::find(kPaths, type) != kPaths.end()) return Values::files;
  return words_of(type).empty() ? Values::others : Values::choices;
}

/// Returns the names of those options, in the order of the help.
std::vector<std::string> option_names(const CLI::App& app, const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    const bool is_among = std::ranges::any_of(options, [&](const CLI::Option* other) { return other == option; });
    if (is_among) names.push_back(option->get_name());
  }
  return names;
}

Argument describe_argument(const CLI::App& app, const CLI::Option& option, std::vector<std::string> names) {
  const std::string& text = option.get_option_text();  // "[=auto]" for a flag with an optional value
  const bool is_free = text.starts_with("[=") && text.ends_with("]");
  const std::string type = is_free ? text.substr(2, text.size() - 3) : option.get_type_name();
  const bool has_value = is_free || takes_value(option);
  return {.names = std::move(names),
          .help = option.get_description(),
          .value = has_value ? type : "",
          .default_text = option.get_default_str(),
          .values = is_free ? Values::choices : values_of(option, type),
          .choices = has_value ? words_of(type) : std::vector<std::string>(),
          .needs = option_names(app, option.get_needs()),
          .excludes = option_names(app, option.get_excludes()),
          .required = option.get_required(),
          .many = option.get_items_expected_max() >= CLI::detail::expected_max_vector_size,
          .is_both = option.get_positional() && (!option.get_snames().empty() || !option.get_lnames().empty()),
          .value_is_free = is_free};
}

/// Collects the leaves of a schema's properties.
void collect_keys(const Json& schema, const std::string& prefix, std::vector<ConfigKey>& keys) {
  for (const auto& [name, property] : schema["properties"].items()) {
    if (name == "$schema") continue;
    if (property.contains("properties")) {
      collect_keys(property, prefix + name + ".", keys);
      continue;
    }
    ConfigKey key{.path = prefix + name, .help = property.value("description", ""), .choices = {}};
    if (property.contains("enum")) property["enum"].get_to(key.choices);
    if (property.value("type", Json()) == "boolean") key.choices = {"true", "false"};
    for (const Json& form : property.value("anyOf", Json::array())) {
      if (form.contains("const")) key.choices.push_back(form["const"]);
    }
    keys.push_back(std::move(key));
  }
}

/// Returns the subcommands' names as a tree, for an argument that names a command: "kiln help tokenizer train".
std::vector<Command> names_below(const CLI::App& app, const std::string& path) {
  std::vector<Command> commands;
  for (const CLI::App* below : app.get_subcommands(nullptr)) {
    const std::string at = path + " " + below->get_name();
    commands.push_back({.path = at,
                        .name = below->get_name(),
                        .help = below->get_description(),
                        .footer = "",
                        .options = {},
                        .positions = {},
                        .commands = names_below(*below, at),
                        .runs = false});
  }
  return commands;
}

}  // namespace

Command describe(const CLI::App& app, const std::string& path) {
  Command command{.path = path,
                  .name = app.get_name(),
                  .help = app.get_description(),
                  .footer = app.get_footer(),
                  .options = {},
                  .positions = {},
                  .commands = {},
                  .runs = app.get_require_subcommand_min() == 0};
  for (const CLI::Option* option : app.get_options()) {
    std::vector<std::string> names;
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    if (!names.empty()) command.options.push_back(describe_argument(app, *option, names));
    if (option->get_positional()) {
      command.positions.push_back(describe_argument(app, *option, {option->get_name(true)}));
      if (option->get_type_name() == "COMMAND") command.commands = names_below(*app.get_parent(), path);
    }
  }
  for (const CLI::App* below : app.get_subcommands(nullptr)) {
    command.commands.push_back(describe(*below, path + " " + below->get_name()));
  }
  return command;
}

void flatten(const Command& command, std::vector<const Command*>& all) {
  all.push_back(&command);
  for (const Command& below : command.commands) flatten(below, all);
}

std::vector<ConfigKey> config_keys() {
  std::vector<ConfigKey> keys;
  collect_keys(config_schema(), "", keys);
  return keys;
}

}  // namespace kiln::cli
