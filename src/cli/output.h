// Reads commands' input from stdin, and writes their output to stdout: bytes, JSON and tables.
#pragma once

#include "kiln/core/json.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {

/// Returns all bytes of stdin. Throws Error (io).
std::string read_stdin();

/// Returns the prompt given to a command. "-" means stdin, without one final line end (\n or \r\n), which echo
/// adds. Throws as read_stdin does.
std::string read_prompt_argument(const std::string& prompt);

/// Writes bytes to stdout and flushes it. A reader that closed the pipe is not an error. Throws Error (io), for
/// instance if a disk is full.
void write_stdout(std::string_view bytes);

/// Throws Error (usage) unless a file can be created there: its folder exists, and nothing but a regular file is at the
/// path. `option` starts the message; `example` is a file name for it. Call it before the work that produces the
/// output.
void check_output_file(std::string_view option, const std::filesystem::path& file, std::string_view example);

/// Throws Error (usage) if the output is one of the files that are read, which it would replace.
void check_not_read(const std::filesystem::path& output, std::span<const std::filesystem::path> read);

/// Does the same as check_output_file for a picture; also throws as check_picture_name does.
void check_picture_file(std::string_view option, const std::filesystem::path& file);

/// Returns the value, or null.
template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

/// Returns a line on how busy the machine was during a measurement (core/contention.h); empty if it was not busy, or if
/// that is unknown.
std::string busy_note(const std::optional<double>& waited_share);

/// Returns the same for --json: {"waited_share": 0.31, "busy": true}; both null if unknown.
Json busy_json(const std::optional<double>& waited_share);

/// Writes indented JSON, for --json. Control characters are written as JSON's escapes, which no terminal obeys.
void write_json(const Json& json);

/// Formats rows of cells in columns: the first left-aligned, the others right-aligned. Makes all text printable.
class Table {
 public:
  /// Adds a heading above the rows that follow, after an empty line.
  void heading(std::string_view text);
  void row(std::vector<std::string> cells);

  std::string text() const;

 private:
  std::vector<std::vector<std::string>> lines_;  // a heading is a line of one cell
};

/// Returns bytes as visible text: UTF-8 in quotes, with JSON escapes, and every other byte as <0xE6>.
std::string in_quotes(std::string_view bytes);

}  // namespace kiln::cli
