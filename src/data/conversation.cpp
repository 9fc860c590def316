// Reads the records of a file one by one and passes on those that teach something.
#include "kiln/data/conversation.h"

#include "kiln/core/compressed_file.h"
#include "kiln/core/error.h"
#include "kiln/core/extension.h"

#include "data/conversation_shapes.h"
#include "data/foreign_content.h"
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

/// Returns the array that a .json file holds. Throws Error (bad_input) with line and column.
JsonRecord parse_array(std::string_view text, const std::filesystem::path& file) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool starts_object = first != std::string_view::npos && text[first] == '{';
  check_input(!starts_object,
              "{}: holds an object; expected an array of objects. If each line is an object, give the file a name that "
              "ends in .jsonl",
              file.string());
  check_input(text.find('\0') == std::string_view::npos, "{}: not valid JSON: holds a byte of 0", file.string());
  JsonRecord array;
  try {
    array = JsonRecord::parse(text.begin(), text.end());
  } catch (const JsonRecord::exception& error) {
    const std::string_view reason = error.what();
    fail(ExitCode::bad_input, "{}: not valid JSON: {}", file.string(), reason.substr(reason.find("] ") + 2));
  }
  check_input(array.is_array(), "{}: holds {}; expected an array of objects", file.string(), array.type_name());
  return array;
}

}  // namespace

ConversationCounts read_conversations(const std::filesystem::path& file,
                                      const std::function<void(Conversation)>& visit) {
  const std::string extension = lower_extension(without_compression(file));
  check(
      extension == ".jsonl" || extension == ".json",
      "{}: conversations are read from .jsonl or .json files, which may be compressed (.gz, .zst); write one object a "
      "line and give the file such a name",
      file.string());
  ConversationCounts counts;
  const auto take = [&](const JsonRecord& record, const std::string& place) {
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
  const FileText contents(file);
  check_is_json(file, contents.text());
  if (extension == ".jsonl") {
    for_each_json_line(contents.text(), file,
                       [&](const JsonRecord& record, std::int64_t number) { take(record, line_place(file, number)); });
    return counts;
  }
  const JsonRecord array = parse_array(contents.text(), file);
  for (std::size_t i = 0; i < array.size(); ++i) take(array[i], fmt::format("{}[{}]", file.string(), i));
  return counts;
}

}  // namespace kiln
