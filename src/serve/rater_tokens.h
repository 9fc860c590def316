// Keeps the tokens with which raters use the page "Rank".
#pragma once

#include "kiln/core/json.h"

#include "serve/line_store.h"
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace kiln {

/// The tokens in FOLDER/raters.jsonl, which only this user may read: {"name", "token_sha256", "time"} for a token,
/// {"name", "removed": true} for one that was revoked. Of the lines with one name the last one counts. The file holds
/// no token, only its hash. Any thread may call any function; other servers may use the file at the same time.
class RaterTokens {
 public:
  /// Throws Error (io) if the folder is missing.
  explicit RaterTokens(const std::filesystem::path& folder);

  /// Returns whether a text is meant as a token, good or not.
  static bool is_token(std::string_view text);

  /// Makes a token for a rater: 256 bits from the system's source of random numbers. It replaces the rater's earlier
  /// one. Throws ApiError: 400 for a name that is empty, longer than 100 bytes, or not printable, and 507 if the disk
  /// does not take it; nothing has changed then.
  std::string add(const std::string& name);

  /// Returns the rater whose token this is, in a time that does not tell how much of it is right; nullopt if there is
  /// none.
  std::optional<std::string> rater_of(std::string_view token);

  /// Returns the raters who have a token, as {"name", "time"}, by name.
  Json list();

  /// Revokes a rater's token. Throws ApiError: 404, 507.
  void remove(const std::string& name);

 private:
  void append(LineStore::Access& lines, const Json& line, std::string_view failure) const;

  std::filesystem::path file_;
  LineStore lines_;
};

}  // namespace kiln
