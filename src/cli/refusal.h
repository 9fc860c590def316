// Words kiln's messages for invalid command lines.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace kiln::cli {

/// Describes CLI11's error for a command's arguments. An unknown option comes first, since it may be why another is
/// missing.
std::string words_of(const CLI::App& command, const CLI::ParseError& error);

}  // namespace kiln::cli
