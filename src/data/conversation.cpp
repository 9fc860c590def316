// Reads the records of a file one by one and passes on those that teach something.
#include "kiln/data/conversation.h"

#include "data/conversation_shapes.h"
#include "data/json_lines.h"
#include <algorithm>

namespace kiln {
namespace {

bool has_answer(const Conversation& conversation) {
  if (conversation.messages.empty()) return !trim_content(conversation.text).empty();
  return std::ranges::any_of(conversation.messages, [](const ChatMessage& message) {
    return message.role == ChatRole::assistant && !trim_content(message.content).empty();
  });
}

}  // namespace

ConversationCounts read_conversations(const std::filesystem::path& file,
                                      const std::function<void(Conversation)>& visit) {
  ConversationCounts counts;
  const auto take = [&](const JsonRecord& record, std::int64_t number) {
    const std::string place = record_place(file, number);
    for (Conversation& conversation : conversations_of(record, place)) {
      if (!has_answer(conversation)) {
        ++counts.without_answer;
        continue;
      }
      ++counts.conversations;
      conversation.place = place;
      if (record.contains("kind") && record["kind"].is_string()) conversation.kind = record["kind"].get<std::string>();
      visit(std::move(conversation));
    }
  };
  for_each_json_record(file, "conversations", take);
  return counts;
}

bool holds_conversations(const std::filesystem::path& file) {
  const std::optional<JsonRecord> first = first_record(file);
  return first && has_roles(*first);
}

}  // namespace kiln
