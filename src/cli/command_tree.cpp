// From CLI11's objects to plain ones.
#include "cli/command_tree.h"

namespace kiln::cli {
namespace {

Argument describe_argument(const CLI::Option& option) {
  Argument argument{.names = {},
                    .help = option.get_description(),
                    .value = option.get_items_expected_max() == 0 ? "" : option.get_type_name(),
                    .default_text = option.get_default_str(),
                    .values = Values::files,
                    .choices = {}};
  for (const std::string& name : option.get_snames()) argument.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) argument.names.push_back("--" + name);
  if (option.get_positional()) argument.names = {option.get_name(true)};
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{'), close = type.find('}');
  if (option.get_items_expected_max() == 0) {
    argument.values = Values::none;
  } else if (open != std::string::npos && close != std::string::npos) {  // CLI::IsMember's
    argument.values = Values::choices;
    argument.choices = CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
  } else if (type.starts_with("UINT") || type.starts_with("INT") || type.starts_with("FLOAT") || type == "N") {
    argument.values = Values::others;
  }
  return argument;
}

}  // namespace

Command describe(const CLI::App& app, const std::string& path) {
  Command command{.path = path,
                  .name = app.get_name(),
                  .help = app.get_description(),
                  .footer = app.get_footer(),
                  .options = {},
                  .positions = {},
                  .commands = {}};
  for (const CLI::Option* option : app.get_options()) {
    (option->get_positional() ? command.positions : command.options).push_back(describe_argument(*option));
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

}  // namespace kiln::cli
