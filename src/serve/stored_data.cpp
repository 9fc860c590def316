// Makes folders and reads messages for the files of a server's data.
#include "serve/stored_data.h"

#include "kiln/core/file.h"

#include <algorithm>
#include <array>
#include <optional>
#include <system_error>
#include <utility>

namespace kiln {

void make_private_folder(const std::filesystem::path& folder) {
  if (is_folder(folder)) return;
  make_directories(folder);
  std::error_code error;
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  check_io(!error, "{}: its permissions cannot be set: {}", folder.string(), error.message());
}

StoredMessage::StoredMessage(RequestFields& fields) : role(fields.text("role").value_or("")) {
  constexpr std::array<std::string_view, 3> kRoles{"system", "user", "assistant"};
  if (std::ranges::find(kRoles, role) == kRoles.end())
    expect_field(fields.path("role"), role, "system, user or assistant");
  std::optional<std::string> text = fields.text("content");
  if (!text) fields.refuse("content", "it is missing; a text is expected");
  content = std::move(*text);
}

}  // namespace kiln
