// Declares the subcommands of kiln runs that change a folder of runs.
#pragma once

#include <CLI/CLI.hpp>

namespace kiln::cli {

/// Adds rm and mv to the command `runs`.
void add_runs_changes(CLI::App& runs);

}  // namespace kiln::cli
