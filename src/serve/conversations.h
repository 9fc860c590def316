// Keeps the conversations of the chat page in a file of JSON lines.
#pragma once

#include "kiln/core/json.h"

#include "serve/line_store.h"
#include <filesystem>
#include <string>

namespace kiln {

/// The conversations in FOLDER/conversations.jsonl. Each line is a whole conversation: {"id", "revision", "time",
/// "title", "model", "system", "sampling", "messages", "at"}; {"id", "removed": true} removes it. Of the lines with one
/// id the last one counts. A message is {"role", "content"} and whatever the page notes about it; those of a
/// conversation form a tree: "parent" holds the numbers of the messages that it follows, the one before it where it is
/// left out. "at" is the message that was shown last. Any thread may call any function; other servers may use the file
/// at the same time.
class ConversationStore {
 public:
  /// Throws Error (io) if the folder is missing.
  explicit ConversationStore(const std::filesystem::path& folder);

  /// Returns what a list shows, as {"id", "revision", "time", "title", "model", "messages"}, the last one saved first.
  Json list();

  /// Returns a conversation's line. Throws ApiError (404).
  std::string read(const std::string& id);

  /// Saves a conversation, which is on the disk when it returns, and returns what a list shows of it. Without an id it
  /// is a new one and gets one. Otherwise "revision" must be that of the line it replaces: another page may have saved
  /// the conversation meanwhile. Throws ApiError: 400 for a body of another form, 404 for an unknown id, 409 for
  /// another revision, 507 if the disk does not take it; nothing has changed then.
  Json save(const Json& body);

  /// Removes a conversation. Throws ApiError: 404, 507.
  void remove(const std::string& id);

 private:
  LineStore lines_;
};

}  // namespace kiln
