// kiln help and kiln version: print what --help and --version print.
#include "kiln/core/error.h"
#include "kiln/core/nearest.h"

#include "cli/commands.h"
#include "cli/output.h"
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {
namespace {

/// Prints the help of the command that the words name, such as "tokenizer train". Throws Error (usage) if there is
/// none.
void print_help(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* command = &app;
  std::string path = app.get_name();
  for (const std::string& word : words) {
    command = &subcommand(*command, word, path);
    path += " " + word;
  }
  // CLI::App::help() of a parent would print the help of "help" itself.
  write_stdout(command->get_formatter()->make_help(command, path, CLI::AppFormatMode::Normal));
}

}  // namespace

const CLI::App& subcommand(const CLI::App& app, std::string_view word, std::string_view path) {
  std::vector<std::string_view> names;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == word) return *command;
    names.push_back(command->get_name());
  }
  const std::string_view meant = nearest(word, names);
  fail(ExitCode::usage, "unknown command \"{}\"{}; {} --help lists them", word,
       meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant), path);
}

void add_help(CLI::App& app) {
  const auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("help", "Explain a command, as its --help does");
  command->add_option("COMMAND", *words, "the command, in one word or two")->default_str("")->type_name("COMMAND");
  command->footer("Example: kiln help tokenizer train");
  command->callback([&app, words] { print_help(app, *words); });
}

void add_version(CLI::App& app) {
  app.add_subcommand("version", "Print kiln's version")->callback([] { write_stdout("kiln " KILN_VERSION "\n"); });
}

}  // namespace kiln::cli
