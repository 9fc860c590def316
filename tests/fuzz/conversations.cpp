// Conversations of every shape: those passed on have an answer, and written as messages they are read as the same.
#include "kiln/data/conversation.h"

#include <nlohmann/json.hpp>

#include "target.h"
#include <algorithm>

namespace kiln::fuzz {
namespace {

std::vector<Conversation> read_all(const std::filesystem::path& file) {
  std::vector<Conversation> all;
  const ConversationCounts counts =
      read_conversations(file, [&](Conversation conversation) { all.push_back(std::move(conversation)); });
  require(counts.conversations == static_cast<std::int64_t>(all.size()), "{} counted, {} read", counts.conversations,
          all.size());
  return all;
}

/// The line that read_conversations reads as this conversation.
std::string line_of(const Conversation& conversation) {
  if (conversation.messages.empty()) return nlohmann::json{{"text", conversation.text}}.dump() + "\n";
  nlohmann::json messages = nlohmann::json::array();
  for (const ChatMessage& message : conversation.messages) {
    messages.push_back({{"role", name_of(message.role)}, {"content", message.content}});
  }
  return nlohmann::json{{"messages", std::move(messages)}}.dump() + "\n";
}

}  // namespace

void fuzz_conversations(std::string_view input) {
  static const Folder folder;
  const std::vector<Conversation> read = read_all(folder.put(input.starts_with('[') ? "a.json" : "a.jsonl", input));
  std::string lines;
  for (const Conversation& conversation : read) {
    const bool has_answer = std::ranges::any_of(conversation.messages, [](const ChatMessage& message) {
      return message.role == ChatRole::assistant && !trim_content(message.content).empty();
    });
    require(has_answer || conversation.messages.empty(), "{}: no answer", conversation.place);
    require(conversation.messages.empty() != conversation.text.empty(), "{}: both or neither", conversation.place);
    lines += line_of(conversation);
  }
  const std::filesystem::path written = folder.put("written.jsonl", lines);
  const std::vector<Conversation> again = must([&] { return read_all(written); });
  require(again.size() == read.size(), "{} written, {} read", read.size(), again.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    require(again[i].messages == read[i].messages && again[i].text == read[i].text, "{}: reads otherwise",
            read[i].place);
  }
}

}  // namespace kiln::fuzz
