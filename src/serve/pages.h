// Holds the pages that a browser shows: the files of src/serve/pages, compiled into the program.
#pragma once

#include "kiln/serve/http_server.h"

#include <optional>
#include <span>
#include <string_view>

namespace kiln {

/// A file of src/serve/pages, by its name.
struct EmbeddedFile {
  std::string_view name;
  std::string_view bytes;
};

/// Returns all of them. cmake/embed.cmake writes this function.
std::span<const EmbeddedFile> embedded_files();

/// Returns the reply with the page or file at a path: "/" and "/chat" are chat.html, "/kiln.css" is that file. Nullopt
/// if there is none. Pages may load nothing from elsewhere, and run no script but their files
/// (Content-Security-Policy).
std::optional<HttpReply> page_at(std::string_view path);

}  // namespace kiln
