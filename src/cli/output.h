// What commands read from stdin and write to stdout: bytes, JSON and tables.
#pragma once

#include "kiln/core/json.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::cli {

/// All bytes of stdin. Throws Error (io).
std::string read_stdin();

/// A prompt as a command is given it; "-" stands for stdin, less one line feed at its end, which echo adds. Throws as
/// read_stdin does.
std::string read_prompt_argument(const std::string& prompt);

/// Writes bytes to stdout, which are then out of this process. A reader that went away wants no more: no error.
/// Throws Error (io), for instance where a disk is full.
void write_stdout(std::string_view bytes);

/// Throws Error (usage) unless a file can be made there: its folder exists, and nothing but a file is there. `option`
/// begins the message; `example` is a file's name for it. To be called before the work whose result goes there.
void check_output_file(std::string_view option, const std::filesystem::path& file, std::string_view example);

/// The same for a picture: also throws what check_picture_name throws.
void check_picture_file(std::string_view option, const std::filesystem::path& file);

/// The value, or null.
template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

/// A line that says by how much the machine was busy while something was measured (core/contention.h); empty where it
/// was not, or the system does not tell.
std::string busy_note(const std::optional<double>& waited_share);

/// The same for --json: {"waited_share": 0.31, "busy": true}; both null where the system does not tell.
Json busy_json(const std::optional<double>& waited_share);

/// JSON in lines of its own, for --json.
void write_json(const Json& json);

/// Rows of cells in columns: the first column flush left, the others flush right. Makes all text printable.
class Table {
 public:
  /// A line that stands above its rows, after an empty one.
  void heading(std::string_view text);
  void row(std::vector<std::string> cells);

  std::string text() const;

 private:
  std::vector<std::vector<std::string>> lines_;  // a heading is a line of one cell
};

/// Bytes as text in which a terminal shows everything: stretches of UTF-8 in quotes, with escapes as in JSON, and each
/// byte that is none as <0xE6>.
std::string in_quotes(std::string_view bytes);

}  // namespace kiln::cli
