// Recognises, by their contents, files that are not the text or token ids that a user takes them for.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace kiln {

/// Returns true for JSON that begins with an array of objects.
bool is_array_of_objects(std::string_view contents);

/// Throws Error (bad_input) if a file with these contents is compressed, an archive, a document, a table, a model, a
/// token file, in an encoding other than UTF-8, or JSON other than lines in a .jsonl file. The message says what it is,
/// and how to get text from it. Unrecognised contents count as text. `contents` are decompressed if the file is
/// compressed.
void check_is_text(const std::filesystem::path& file, std::string_view contents);

/// Checks contents that check_is_text has passed, for models of more than bytes. Throws Error (bad_input) if more than
/// 3 in 10 of the first bytes are control characters or not UTF-8. Returns a warning if a byte within the first MiB is
/// 0 or not UTF-8; "" otherwise.
std::string check_bytes_of_text(const std::filesystem::path& file, std::string_view contents);

/// Does the same as check_is_text for a file of JSON: refuses what is binary or in an encoding other than UTF-8, and an
/// array in a .jsonl file.
void check_is_json(const std::filesystem::path& file, std::string_view contents);

/// Does the same for a token file without a header, whose ids may be any bytes. Refuses compressed files, archives,
/// documents, tables and models.
void check_is_ids(std::string_view file, std::string_view contents);

}  // namespace kiln
