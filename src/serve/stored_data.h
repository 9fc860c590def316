// Shares what the files of a server's data have in common.
#pragma once

#include "kiln/core/error.h"

#include <fmt/format.h>

#include "serve/api_error.h"
#include "serve/request_fields.h"
#include <filesystem>
#include <string>
#include <string_view>

namespace kiln {

/// Creates a folder where it is missing, for this user alone. Throws Error (io).
void make_private_folder(const std::filesystem::path& folder);

/// Reads the role and the content of a message. Throws ApiError (400).
struct StoredMessage {
  explicit StoredMessage(RequestFields& fields);
  std::string role, content;
};

/// Calls what writes to the disk. Throws ApiError (507) with `failure` and the reason if that throws Error.
template <class Write>
void store_or_refuse(std::string_view failure, const Write& write) {
  try {
    write();
  } catch (const Error& error) {
    throw ApiError(507, fmt::format("{}: {}", failure, error.what()));
  }
}

}  // namespace kiln
