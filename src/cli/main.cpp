// Declares the commands, runs the one given, and turns errors into messages and exit codes.
#include "kiln/core/error.h"
#include "kiln/core/nearest.h"
#include "kiln/core/threads.h"

#include "cli/commands.h"
#include "cli/log.h"
#include "cli/ranks.h"
#include "cli/refusal.h"
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {
namespace {

/// Logs an error's message, which is printable, and keeps its line feeds. Ends the other ranks of a training too.
int report(ExitCode code, std::string_view message) {
  log_lines(spdlog::level::err, rank_prefix_of_error() + std::string(message));
  end_all_ranks(static_cast<int>(code));
  return static_cast<int>(code);
}

/// Throws Error (usage) for an unknown command; CLI11 would only say that a command is required.
void refuse_unknown_command(const CLI::App& app, std::span<char*> words) {
  const CLI::App* at = &app;
  std::string path = app.get_name();
  for (const std::string_view word : words) {
    if (at->get_require_subcommand_min() == 0 || word.starts_with('-')) return;
    at = &subcommand(*at, word, path);
    path += fmt::format(" {}", word);
  }
}

/// Throws Error (usage) for the value of a flag behind a space, as in "--resume auto", which CLI11 takes for CONFIG.
void refuse_value_behind_space(const CLI::App& app, std::span<char*> words) {
  const std::vector<const CLI::App*> commands = app.get_subcommands({});
  const auto command = std::ranges::find_if(
      commands, [&](const CLI::App* each) { return !words.empty() && each->get_name() == words[0]; });
  if (command == commands.end()) return;
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    const CLI::Option* option = (*command)->get_option_no_throw(words[i]);
    check(option == nullptr || option->get_option_text() != fmt::format("[={}]", words[i + 1]),
          "{0} {1}: the value of this option follows an equals sign; write {0}={1}", words[i], words[i + 1]);
  }
}

/// Returns the command being parsed and its parents: kiln, kiln tokenizer, kiln tokenizer train.
std::vector<const CLI::App*> asked(const CLI::App& app) {
  std::vector<const CLI::App*> path{&app};
  while (!path.back()->get_subcommands().empty()) path.push_back(path.back()->get_subcommands().front());
  return path;
}

/// Returns `; did you mean "--temperature"?` for an unknown option, also with a single hyphen, or
/// `; did you mean "--top-k" or "--top-p"?` for the beginning of several; else "".
std::string suggestion(const CLI::App& command) {
  std::vector<std::string_view> known;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back(name);
  }
  for (const std::string& word : command.remaining()) {
    if (!word.starts_with('-')) continue;
    std::string_view option = std::string_view(word).substr(0, word.find('='));
    option.remove_prefix(std::min(option.find_first_not_of('-'), option.size()));
    std::vector<std::string_view> meant = beginning_with(option, known);
    if (meant.empty()) meant.push_back(nearest(option, known));
    if (!meant[0].empty()) return fmt::format("; did you mean \"--{}\"?", fmt::join(meant, "\" or \"--"));
  }
  return "";
}

int refuse(const CLI::App& app, const CLI::ParseError& error, int words) {
  const std::vector<const CLI::App*> path = asked(app);
  if (path.back()->get_require_subcommand_min() > 0 && std::ssize(path) == words) {  // only the name of a command group
    std::fputs(app.help().c_str(), stderr);  // app.help() is that of the command given
    return static_cast<int>(ExitCode::usage);
  }
  std::string name;
  for (const CLI::App* command : path) name += command->get_name() + " ";
  return report(ExitCode::usage, printable(fmt::format("{}{}; {}--help shows what is expected",
                                                       words_of(*path.back(), error), suggestion(*path.back()), name)));
}

int run(int argc, char** argv) {
  CLI::App app("Trains, evaluates and samples GPT-style transformers: raw text in, a language model out.", "kiln");
  app.set_version_flag("-v,--version", "kiln " KILN_VERSION);
  app.option_defaults()->always_capture_default();
  app.option_defaults()->disable_flag_override();  // --json=5 is refused
  app.require_subcommand(1);
  app.fallthrough(false);
  app.footer("kiln COMMAND --help explains a command and shows its defaults.");
  for (const auto& add : kCommands) add(app);
  try {
    const std::span<char*> words(argv + 1, argv + std::max(argc, 1));
    refuse_unknown_command(app, words);
    refuse_value_behind_space(app, words);
    app.parse(argc, argv);
    return static_cast<int>(ExitCode::ok);
  } catch (const CLI::ParseError& error) {  // also --help and --version
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(error);
    return refuse(app, error, argc);
  } catch (const ExitWith& exit) {
    return exit.code;
  } catch (const Error& error) {
    return report(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return report(ExitCode::usage,
                  "out of memory; request less at once, or choose a smaller model or batch (kiln plan CONFIG shows the "
                  "memory of each part)");
  } catch (const std::exception& error) {
    return report(ExitCode::failure, printable(error.what()));
  }
}

}  // namespace
}  // namespace kiln::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that closes the pipe must not end a run
  kiln::cli::set_up_log();
  return kiln::cli::run(argc, argv);
}
