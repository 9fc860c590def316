// Reads what kiln serve lets people rank.
#pragma once

#include "kiln/serve/service.h"

#include <CLI/CLI.hpp>

#include "cli/rank.h"
#include <optional>

namespace kiln::cli {

/// Adds --rank, --rankings, and the options that they share with kiln rank.
void add_serve_ranking(CLI::App& command, RankArguments& arguments);

/// Returns the answers to rank; nullopt without --rank. Throws Error (usage, bad_input, io) for files that do not fit.
std::optional<RankingOptions> ranking_options(const RankArguments& arguments);

}  // namespace kiln::cli
