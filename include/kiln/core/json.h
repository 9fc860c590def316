// JSON text in and out, stricter than the library: positions in errors, and no key given twice.
#pragma once

#include "kiln/core/problems.h"

#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace kiln {

using Json = nlohmann::ordered_json;  // keys keep their order

/// Parses `text`; a key given twice becomes a problem (the last one counts).
/// Throws Error (`code`) "source:line:column: not valid JSON: ..." where it is not JSON or a number overflows.
Json parse_json(std::string_view text, std::string_view source, Problems& problems, ExitCode code = ExitCode::usage);

/// The same where no config is being read: a key given twice is thrown as an Error (`code`) too.
Json parse_json(std::string_view text, std::string_view source, ExitCode code = ExitCode::bad_input);

/// The object that a file holds. Throws Error (bad_input; io where reading fails).
Json read_json_object(const std::filesystem::path& path);

/// The text of a JSON file: two spaces of indentation, a newline at the end; bytes that are not UTF-8 become U+FFFD.
std::string format_json(const Json& json);

/// The value on one line, for messages: cut after about 60 characters; bytes that are not UTF-8 become U+FFFD.
std::string brief_json(const Json& json);

}  // namespace kiln
