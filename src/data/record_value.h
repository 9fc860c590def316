// A value within a JSON record of a data set, with the path to it for messages, and the readers that shapes share.
#pragma once

#include "kiln/core/error.h"
#include "kiln/text/chat_template.h"

#include "data/json_lines.h"
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A value within a record, and the path to it, for messages.
struct RecordValue {
  const JsonRecord& value;
  std::string place;  // "a.jsonl:3"
  std::string path;   // "/messages/0/role"

  bool has(const char* key) const { return value.is_object() && value.contains(key) && !value[key].is_null(); }
  RecordValue at(std::size_t index) const { return {value[index], place, path + fmt::format("/{}", index)}; }

  /// Requires an object with that key.
  RecordValue at(const char* key) const;

  /// Throws an Error (bad_input) that says what stands there and what is expected.
  [[noreturn]] void refuse(std::string_view expected) const;

  /// Require text, true or false, a finite number, a whole number from `least` to `most`, and a list, which may be
  /// empty.
  const std::string& text() const;
  bool truth() const;
  double number() const;
  std::int64_t whole_number(std::int64_t least, std::int64_t most) const;
  std::size_t size_of_list() const;
};

/// Returns the text of a string, or of a list of text parts, joined.
std::string content_text(const RecordValue& content);

/// A role's name in some data set.
struct RoleName {
  std::string_view name;
  ChatRole role;
};

/// Returns the role that a field names: system, user, assistant, tool, or one of `further`.
ChatRole role_of(const RecordValue& field, std::span<const RoleName> further);

/// Returns a list of {role, content}.
std::vector<ChatMessage> messages_of(const RecordValue& list);

/// Returns one message with a string's text, or the messages of a list.
std::vector<ChatMessage> messages_or_text(const RecordValue& field, ChatRole role);

/// Throws Error (bad_input) if a tree's reply has more than 1,000 messages above it: each group of ranked replies
/// repeats them all.
void check_depth(std::size_t messages_above, const std::string& place);

/// The names that OpenAssistant's trees have for roles, beside the usual ones.
inline constexpr RoleName kTreeNames[]{{"prompter", ChatRole::user}};

/// Lists a record's keys, for a message.
std::string keys_of(const JsonRecord& record);

/// Throws Error (bad_input) unless the record is an object.
void check_is_object(const JsonRecord& record, const std::string& place);

}  // namespace kiln
