// What is wrong with a command line, in kiln's words.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace kiln::cli {

/// Says what CLI11 found wrong with the arguments of a command: an option that it does not have comes first, since it
/// may be why another is missing.
std::string words_of(const CLI::App& command, const CLI::ParseError& error);

}  // namespace kiln::cli
