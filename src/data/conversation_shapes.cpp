// Recognises a record's shape by a table of keys; each shape has a function that reads it.
#include "data/conversation_shapes.h"

#include "kiln/core/error.h"
#include "kiln/core/json.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace kiln {
namespace {

/// A value within a record, and the path to it, for messages.
struct RecordValue {
  const JsonRecord& value;
  std::string place;  // "a.jsonl:3"
  std::string path;   // "/messages/0/role"

  bool has(const char* key) const { return value.is_object() && value.contains(key) && !value[key].is_null(); }
  RecordValue at(std::size_t index) const { return {value[index], place, path + fmt::format("/{}", index)}; }

  /// Requires an object with that key.
  RecordValue at(const char* key) const {
    if (!value.is_object()) refuse("an object");
    const auto found = value.find(key);
    check_input(found != value.end(), "{}: {}: has no \"{}\", which this shape of conversation needs", place,
                path.empty() ? "the record" : path, key);
    return {*found, place, path + fmt::format("/{}", key)};
  }

  /// Throws an Error that says what stands there and what is expected.
  [[noreturn]] void refuse(std::string_view expected) const {
    fail(ExitCode::bad_input, "{}: {}: is {}; expected {}", place, path, brief_json(Json(value)), expected);
  }

  const std::string& text() const {
    if (!value.is_string()) refuse("text in quotes");
    return value.get_ref<const std::string&>();
  }

  std::size_t size_of_list() const {
    if (!value.is_array()) refuse("a list");
    return value.size();
  }
};

/// Returns the text of a string, or of a list of text parts, joined.
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

/// A role's name in some data set.
struct RoleName {
  std::string_view name;
  ChatRole role;
};

constexpr std::array kRoleNames{RoleName{"system", ChatRole::system}, RoleName{"user", ChatRole::user},
                                RoleName{"assistant", ChatRole::assistant}, RoleName{"tool", ChatRole::tool}};
constexpr std::array kShareGptNames{RoleName{"human", ChatRole::user}, RoleName{"gpt", ChatRole::assistant}};

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

std::vector<Conversation> read_messages(const RecordValue& record) {
  return {{messages_of(record.at("messages")), {}, {}}};
}

std::vector<Conversation> read_share_gpt(const RecordValue& record) {
  const RecordValue list = record.at("conversations");
  Conversation conversation;
  const std::size_t count = list.size_of_list();
  for (std::size_t i = 0; i < count; ++i) {
    const RecordValue message = list.at(i);
    conversation.messages.push_back({role_of(message.at("from"), kShareGptNames), message.at("value").text()});
  }
  return {std::move(conversation)};
}

/// Returns one message with a string's text, or the messages of a list.
std::vector<ChatMessage> messages_or_text(const RecordValue& field, ChatRole role) {
  if (field.value.is_array()) return messages_of(field);
  if (!field.value.is_string()) field.refuse("text in quotes, or a list of messages");
  return {{role, field.text()}};
}

std::vector<Conversation> read_completion(const RecordValue& record) {
  Conversation conversation{messages_or_text(record.at("prompt"), ChatRole::user), {}, {}};
  for (ChatMessage& message : messages_or_text(record.at("completion"), ChatRole::assistant)) {
    conversation.messages.push_back(std::move(message));
  }
  return {std::move(conversation)};
}

/// Returns the conversation of an instruction with {input, output}; input may be missing or empty.
Conversation instructed(const std::string& instruction, const RecordValue& example) {
  std::string question = instruction;
  if (example.has("input")) {
    const std::string& input = example.at("input").text();
    if (!trim_content(input).empty()) question += "\n\n" + input;
  }
  return {{{ChatRole::user, std::move(question)}, {ChatRole::assistant, example.at("output").text()}}, {}, {}};
}

std::vector<Conversation> read_alpaca(const RecordValue& record) {
  return {instructed(record.at("instruction").text(), record)};
}

std::vector<Conversation> read_self_instruct(const RecordValue& record) {
  const RecordValue instances = record.at("instances");
  std::vector<Conversation> conversations;
  const std::size_t count = instances.size_of_list();
  for (std::size_t i = 0; i < count; ++i) {
    conversations.push_back(instructed(record.at("instruction").text(), instances.at(i)));
  }
  if (conversations.empty()) conversations.emplace_back();
  return conversations;
}

/// Returns the index of the best reply: the lowest rank, those without rank last, the first of equals; nullopt if all
/// are deleted.
std::optional<std::size_t> best_reply(const RecordValue& replies) {
  std::optional<std::size_t> best;
  double best_rank = 0;
  const std::size_t count = replies.size_of_list();
  for (std::size_t i = 0; i < count; ++i) {
    const RecordValue reply = replies.at(i);
    if (reply.has("deleted") && reply.value["deleted"] == true) continue;
    double rank = std::numeric_limits<double>::infinity();
    if (reply.has("rank")) {
      const RecordValue ranked = reply.at("rank");
      if (!ranked.value.is_number()) ranked.refuse("a number or null");
      rank = ranked.value.get<double>();
    }
    if (!best || rank < best_rank) {
      best = i;
      best_rank = rank;
    }
  }
  return best;
}

std::vector<Conversation> read_reply_tree(const RecordValue& record) {
  constexpr std::array kTreeNames{RoleName{"prompter", ChatRole::user}};
  Conversation conversation;
  std::vector<const JsonRecord*> path{&record.value["prompt"]};
  std::string place_in_record = "/prompt";
  while (!path.empty()) {
    const RecordValue node{*path.back(), record.place, place_in_record};
    conversation.messages.push_back({role_of(node.at("role"), kTreeNames), node.at("text").text()});
    if (!node.has("replies")) break;
    const RecordValue replies = node.at("replies");
    const std::optional<std::size_t> best = best_reply(replies);
    if (!best) break;
    path.push_back(&replies.value[*best]);
    place_in_record = replies.at(*best).path;
  }
  std::vector<ChatMessage>& messages = conversation.messages;
  while (!messages.empty() && messages.back().role != ChatRole::assistant) messages.pop_back();
  return {std::move(conversation)};
}

std::vector<Conversation> read_document(const RecordValue& record) { return {{{}, record.at("text").text(), {}}}; }

/// A shape, by the key that all its records have, and maybe one more.
struct Shape {
  const char* key;
  const char* further;  // null for none
  std::vector<Conversation> (*read)(const RecordValue& record);
};

// The first that fits is taken. A tree's prompt is an object, which no other shape has.
constexpr std::array kShapes{
    Shape{"messages", nullptr, read_messages},
    Shape{"conversations", nullptr, read_share_gpt},
    Shape{"prompt", "completion", read_completion},
    Shape{"instruction", "output", read_alpaca},
    Shape{"instruction", "instances", read_self_instruct},
    Shape{"text", nullptr, read_document},
};

std::string known_keys() {
  std::string keys;
  for (const Shape& shape : kShapes) {
    keys += fmt::format("\"{}\"", shape.key);
    if (shape.further != nullptr) keys += fmt::format(" with \"{}\"", shape.further);
    keys += ", ";
  }
  return keys + "or \"prompt\" with \"replies\" in it";
}

/// Lists a record's keys, for a message.
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

}  // namespace

std::vector<Conversation> conversations_of(const JsonRecord& record, const std::string& place) {
  check_input(record.is_object(), "{}: is {}; expected an object", place,
              record.is_array() ? "a list (an array of objects belongs in a .json file)" : record.type_name());
  const RecordValue root{record, place, ""};
  if (root.has("prompt") && root.at("prompt").has("replies")) return read_reply_tree(root);
  for (const Shape& shape : kShapes) {
    if (record.contains(shape.key) && (shape.further == nullptr || record.contains(shape.further))) {
      return shape.read(root);
    }
  }
  fail(ExitCode::bad_input, "{}: has {}; a conversation has {}", place, keys_of(record), known_keys());
}

}  // namespace kiln
