// Checks each value where it is read, so that an error names the key.
#include "data/record_value.h"

#include "kiln/core/format.h"
#include "kiln/core/json.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace kiln {

RecordValue RecordValue::at(const char* key) const {
  if (!value.is_object()) refuse("an object");
  const auto found = value.find(key);
  check_input(found != value.end(), "{}: {}: has no \"{}\", which this shape of conversation needs", place,
              path.empty() ? "the record" : path, key);
  return {*found, place, path + fmt::format("/{}", key)};
}

void RecordValue::refuse(std::string_view expected) const {
  // A copy of a deep container would overflow the stack.
  const bool is_full = value.is_structured() && !value.empty();
  const std::string found = !is_full ? brief_json(Json(value)) : value.is_array() ? "[...]" : "{...}";
  fail(ExitCode::bad_input, "{}: {}: is {}; expected {}", place, path, found, expected);
}

const std::string& RecordValue::text() const {
  if (!value.is_string()) refuse("text in quotes");
  return value.get_ref<const std::string&>();
}

bool RecordValue::truth() const {
  if (!value.is_boolean()) refuse("true or false");
  return value.get<bool>();
}

double RecordValue::number() const {
  if (!value.is_number() || !std::isfinite(value.get<double>())) refuse("a number");
  return value.get<double>();
}

std::int64_t RecordValue::whole_number(std::int64_t least, std::int64_t most) const {
  const auto fits = [&](auto number) {
    return std::cmp_greater_equal(number, least) && std::cmp_less_equal(number, most);
  };
  if (value.is_number_unsigned() && fits(value.get<std::uint64_t>())) return value.get<std::int64_t>();
  if (!value.is_number_integer() || value.is_number_unsigned() || !fits(value.get<std::int64_t>()))
    refuse(fmt::format("a whole number from {} to {}", least, most));
  return value.get<std::int64_t>();
}

std::size_t RecordValue::size_of_list() const {
  if (!value.is_array()) refuse("a list");
  return value.size();
}

std::string content_text(const RecordValue& content) {
  if (!content.value.is_array()) {
    if (!content.value.is_string()) content.refuse("text in quotes, or a list of {\"type\": \"text\", \"text\": ...}");
    return content.text();
  }
  std::string text;
  for (std::size_t i = 0; i < content.value.size(); ++i) {
    const RecordValue part = content.at(i), type = part.at("type");
    if (type.value != "text") type.refuse("\"text\", since kiln's models read text alone; remove the record");
    text += part.at("text").text();
  }
  return text;
}

namespace {
constexpr std::array kRoleNames{RoleName{"system", ChatRole::system}, RoleName{"user", ChatRole::user},
                                RoleName{"assistant", ChatRole::assistant}, RoleName{"tool", ChatRole::tool}};
}  // namespace

ChatRole role_of(const RecordValue& field, std::span<const RoleName> further) {
  const std::string& name = field.text();
  for (const std::span<const RoleName> names : {std::span<const RoleName>(kRoleNames), further}) {
    const auto found = std::ranges::find(names, std::string_view(name), &RoleName::name);
    if (found != names.end()) return found->role;
  }
  std::string known;
  for (const RoleName& role : further) known += fmt::format("\"{}\", ", role.name);
  field.refuse(known + "\"system\", \"user\", \"assistant\" or \"tool\"; rename the role");
}

std::vector<ChatMessage> messages_of(const RecordValue& list) {
  std::vector<ChatMessage> messages;
  const std::size_t count = list.size_of_list();
  for (std::size_t i = 0; i < count; ++i) {
    const RecordValue message = list.at(i);
    const ChatRole role = role_of(message.at("role"), {});
    if (message.has("tool_calls") && !message.value["tool_calls"].empty()) {
      message.at("tool_calls")
          .refuse(
              "none, since no template of kiln's writes tool calls; put the call into \"content\" "
              "as text, or remove the record");
    }
    messages.push_back({role, content_text(message.at("content"))});
  }
  return messages;
}

std::vector<ChatMessage> messages_or_text(const RecordValue& field, ChatRole role) {
  if (field.value.is_array()) return messages_of(field);
  if (!field.value.is_string()) field.refuse("text in quotes, or a list of messages");
  return {{role, field.text()}};
}

void check_depth(std::size_t messages_above, const std::string& place) {
  constexpr std::size_t kMostAbove = 1000;
  check_input(messages_above <= kMostAbove, "{}: has a reply below more than {}; shorten the tree, or remove it", place,
              counted(kMostAbove, "message"));
}

std::string keys_of(const JsonRecord& record) {
  constexpr int kMostKeys = 12;
  std::string keys;
  int count = 0;
  for (const auto& [key, value] : record.items()) {
    if (++count > kMostKeys) return keys + ", ...";
    keys += (keys.empty() ? "" : ", ") + brief_json(Json(key));
  }
  return keys.empty() ? "no keys" : "the keys " + keys;
}

void check_is_object(const JsonRecord& record, const std::string& place) {
  if (record.is_object()) return;
  const std::string found =
      record.is_array() ? "a list (an array of objects belongs in a .json file)" : brief_json(Json(record));
  fail(ExitCode::bad_input, "{}: is {}; expected an object", place, found);
}

}  // namespace kiln
