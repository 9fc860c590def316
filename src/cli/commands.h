// Lists the program's commands. Each is a file of its own: an options struct, add_x(app) that declares the command, and
// run_x(options), which add_x gives CLI11 as the callback.
#pragma once

#include <CLI/CLI.hpp>

#include <array>
#include <string_view>

namespace kiln::cli {

void add_new(CLI::App& app);
void add_train(CLI::App& app);
void add_sample(CLI::App& app);
void add_chat(CLI::App& app);
void add_serve(CLI::App& app);
void add_answers(CLI::App& app);
void add_rank(CLI::App& app);
void add_score(CLI::App& app);
void add_compare(CLI::App& app);
void add_eval(CLI::App& app);
void add_plan(CLI::App& app);
void add_bench(CLI::App& app);
void add_inspect(CLI::App& app);
void add_gradcheck(CLI::App& app);
void add_data(CLI::App& app);
void add_tune(CLI::App& app);
void add_plot(CLI::App& app);
void add_runs(CLI::App& app);
void add_verify(CLI::App& app);
void add_diff(CLI::App& app);
void add_tokenizer(CLI::App& app);
void add_import(CLI::App& app);
void add_export(CLI::App& app);
void add_merge(CLI::App& app);
void add_completion(CLI::App& app);
void add_manual(CLI::App& app);
void add_help(CLI::App& app);
void add_version(CLI::App& app);

/// All commands, in the order of the help; a new command is a file and a line here.
inline constexpr std::array kCommands{add_new,        add_train,     add_sample,    add_chat,   add_serve,  add_answers,
                                      add_rank,       add_score,     add_compare,   add_eval,   add_plan,   add_bench,
                                      add_inspect,    add_gradcheck, add_data,      add_tune,   add_plot,   add_runs,
                                      add_verify,     add_diff,      add_tokenizer, add_import, add_export, add_merge,
                                      add_completion, add_manual,    add_help,      add_version};

/// Returns the subcommand of this name. Throws Error (usage), with the nearest name, if there is none. Messages use
/// `path` as the name of `app`, such as "kiln tokenizer".
const CLI::App& subcommand(const CLI::App& app, std::string_view word, std::string_view path);

/// Ends the program with this status: for a failed check, or a run that was interrupted and saved. It is thrown, since
/// CLI11's callbacks return nothing.
struct ExitWith {
  int code;
};

}  // namespace kiln::cli
