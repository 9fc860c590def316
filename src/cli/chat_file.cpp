// Checks every field, since conversations come from other programs too.
#include "cli/chat_file.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/core/nearest.h"
#include "kiln/core/utf8.h"

#include <nlohmann/json.hpp>

#include "cli/output.h"
#include <algorithm>
#include <sstream>
#include <string>

namespace kiln::cli {
namespace {

ChatMessage message_of(const Json& entry, const std::string& place) {
  check_input(entry.is_object(), "{}: an object with role and content is expected", place);
  const auto text_of = [&](const char* key) {
    const auto found = entry.find(key);
    check_input(found != entry.end() && found->is_string(), "{}/{}: {}; a string is expected", place, key,
                found == entry.end() ? "missing" : brief_json(*found));
    return found->get<std::string>();
  };
  const std::string role = text_of("role");
  const auto known = std::ranges::find(kChatRoles, role);
  if (known == kChatRoles.end()) {
    const std::string_view meant = nearest(role, kChatRoles);
    fail(ExitCode::bad_input, "{}/role: \"{}\" is not one of system, user, assistant, tool{}", place, role,
         meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant));
  }
  return {.role = static_cast<ChatRole>(known - kChatRoles.begin()), .content = text_of("content")};
}

}  // namespace

void save_conversation(const std::filesystem::path& file, std::span<const ChatMessage> messages) {
  check_output_file("/save", file, "talk.jsonl");
  Json entries = Json::array();
  for (const ChatMessage& message : messages) {
    entries.push_back({{"role", name_of(message.role)}, {"content", utf8_replace_invalid(message.content)}});
  }
  write_file_atomically(file, Json{{"messages", std::move(entries)}}.dump() + "\n");
}

std::vector<ChatMessage> load_conversation(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::istringstream text(read_file(file));
  std::optional<Json> conversation;
  std::string place;
  std::size_t number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    check_input(!conversation, "{}:{}: a second conversation; one is expected. Put this line into a file of its own",
                name, number);
    place = fmt::format("{}:{}", name, number);
    conversation = parse_json(line, place);
  }
  check_input(conversation.has_value(), "{}: is empty; a line {{\"messages\": [...]}} is expected", name);
  check_input(conversation->is_object() && conversation->contains("messages") && (*conversation)["messages"].is_array(),
              "{}: an object with an array \"messages\" is expected, as /save writes it", place);
  std::vector<ChatMessage> messages;
  for (const Json& entry : (*conversation)["messages"]) {
    messages.push_back(message_of(entry, fmt::format("{}: /messages/{}", place, messages.size())));
  }
  return messages;
}

}  // namespace kiln::cli
