// Recognises a record's shape by a table of keys; each shape has a function that reads it.
#include "data/conversation_shapes.h"

#include "kiln/core/error.h"

#include "data/record_value.h"
#include <algorithm>
#include <array>
#include <limits>
#include <optional>

namespace kiln {
namespace {

constexpr std::array kShareGptNames{RoleName{"human", ChatRole::user}, RoleName{"gpt", ChatRole::assistant}};

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
  Conversation conversation;
  const JsonRecord* reached = &record.value["prompt"];
  std::string place_in_record = "/prompt";
  for (;;) {
    check_depth(conversation.messages.size(), record.place);
    const RecordValue node{*reached, record.place, place_in_record};
    conversation.messages.push_back({role_of(node.at("role"), kTreeNames), node.at("text").text()});
    if (!node.has("replies")) break;
    const RecordValue replies = node.at("replies");
    const std::optional<std::size_t> best = best_reply(replies);
    if (!best) break;
    reached = &replies.value[*best];
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

bool is_reply_tree(const JsonRecord& record) {
  return record.contains("prompt") && record["prompt"].is_object() && record["prompt"].contains("replies");
}

/// Returns the first shape that fits an object; null if none does.
const Shape* shape_of(const JsonRecord& record) {
  const auto fits = [&](const Shape& shape) {
    return record.contains(shape.key) && (shape.further == nullptr || record.contains(shape.further));
  };
  const auto shape = std::ranges::find_if(kShapes, fits);
  return shape == kShapes.end() ? nullptr : &*shape;
}

}  // namespace

bool has_roles(const JsonRecord& record) {
  if (!record.is_object()) return false;
  const Shape* shape = shape_of(record);
  return is_reply_tree(record) || (shape != nullptr && shape->read != read_document);
}

std::vector<Conversation> conversations_of(const JsonRecord& record, const std::string& place) {
  check_is_object(record, place);
  const RecordValue root{record, place, ""};
  if (is_reply_tree(record)) return read_reply_tree(root);
  if (const Shape* shape = shape_of(record)) return shape->read(root);
  fail(ExitCode::bad_input, "{}: has {}; a conversation has {}", place, keys_of(record), known_keys());
}

}  // namespace kiln
