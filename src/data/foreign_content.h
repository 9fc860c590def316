// Recognises by its first bytes what is not the text, or the token ids, that a user takes it for.
#pragma once

#include <filesystem>
#include <string_view>

namespace kiln {

/// Throws Error (bad_input) where a file with these contents is compressed, an archive, a document, a table, a model,
/// in another encoding than UTF-8, or JSON of another form than .jsonl: the message says what it is, and how text comes
/// of it. Contents that it does not know are text.
void check_is_text(const std::filesystem::path& file, std::string_view contents);

/// The same for a token file without a header, whose ids may be any bytes: refuses what is compressed, an archive, a
/// document, a table or a model.
void check_is_ids(std::string_view file, std::string_view contents);

}  // namespace kiln
