// Parses and formats JSON: error messages give line and column, and duplicate keys are errors.
#pragma once

#include "kiln/core/problems.h"

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace kiln {

using Json = nlohmann::ordered_json;  // keys keep their order

/// Parses `text`. Adds a problem for a duplicate key, whose last value counts.
/// Throws Error (`code`) "source:line:column: not valid JSON: ..." if it is not JSON or a number overflows.
Json parse_json(std::string_view text, std::string_view source, Problems& problems, ExitCode code = ExitCode::usage);

/// Parses `text`, for use outside configs. Throws Error (`code`) on a duplicate key as well.
Json parse_json(std::string_view text, std::string_view source, ExitCode code = ExitCode::bad_input);

/// Reads a file that holds a JSON object. Throws Error (bad_input; io if reading fails).
Json read_json_object(const std::filesystem::path& path);

/// Formats a JSON file: indented by two spaces, a newline at the end. Bytes that are not UTF-8 become U+FFFD.
std::string format_json(const Json& json);

/// Formats a value on one line, for messages: cut after about 60 bytes; "[...]" or "{...}" for a container that is not
/// empty. Bytes that are not UTF-8 become U+FFFD.
std::string brief_json(const Json& json);

}  // namespace kiln
