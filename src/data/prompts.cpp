// The extension tells records from lines of text.
#include "kiln/data/prompts.h"

#include "kiln/core/compressed_file.h"
#include "kiln/core/error.h"
#include "kiln/core/extension.h"
#include "kiln/core/json.h"
#include "kiln/data/source_files.h"

#include <nlohmann/json.hpp>

#include "data/foreign_content.h"
#include "data/record_value.h"
#include <utility>

namespace kiln {
namespace {

constexpr const char* kNoPrompts = "{}: no prompts; write one on each line";

std::string_view without_byte_order_mark(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  return text;
}

/// Returns the answer that a value holds; "" if it holds none.
std::string answer_of(const JsonRecord& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number()) return value.dump();
  if (!value.is_array() || value.empty() || !value.back().is_object()) return "";
  const auto role = value.back().find("role"), content = value.back().find("content");
  const bool answers = role != value.back().end() && *role == name_of(ChatRole::assistant);
  return answers && content != value.back().end() && content->is_string() ? content->get<std::string>() : "";
}

/// Returns the answer that a record gives beside the prompt; "" if it gives none.
std::string answer_beside(const JsonRecord& record) {
  for (const char* key : {"completion", "answer"}) {
    const auto value = record.find(key);
    std::string answer = value != record.end() ? answer_of(*value) : "";
    if (!answer.empty()) return answer;
  }
  return "";
}

ChatPrompt prompt_of(const JsonRecord& record, const std::string& place) {
  check_is_object(record, place);
  const RecordValue root{record, place, ""};
  const bool has_messages = root.has("messages");
  check_input(has_messages || root.has("prompt"), "{}: has {}; a prompt has \"messages\" or \"prompt\"", place,
              keys_of(record));
  ChatPrompt prompt{
      has_messages ? messages_of(root.at("messages")) : messages_or_text(root.at("prompt"), ChatRole::user), place,
      answer_beside(record)};
  std::vector<ChatMessage>& messages = prompt.messages;
  if (!messages.empty() && messages.back().role == ChatRole::assistant) {
    if (has_messages || prompt.expected.empty()) prompt.expected = std::move(messages.back().content);
    messages.pop_back();
  }
  check_input(!messages.empty(), "{}: /{}: there is no message to answer; give at least one of a user", place,
              has_messages ? "messages" : "prompt");
  return prompt;
}

std::vector<ChatPrompt> read_lines(const std::filesystem::path& file) {
  const FileText contents(file);
  check_is_text(file, contents.text());
  std::string_view text = without_byte_order_mark(contents.text());
  std::vector<ChatPrompt> prompts;
  for (std::int64_t number = 1; !text.empty(); ++number) {
    const std::string_view line = take_line(text).first;
    if (trim_content(line).empty()) continue;
    prompts.push_back({{{ChatRole::user, std::string(line)}}, line_place(file, number)});
  }
  return prompts;
}

}  // namespace

std::vector<ChatPrompt> read_chat_prompts(const std::filesystem::path& file) {
  const std::string extension = lower_extension(without_compression(file));
  std::vector<ChatPrompt> prompts;
  if (extension == ".jsonl" || extension == ".json") {
    for_each_json_record(file, "prompts", [&](const JsonRecord& record, std::int64_t number) {
      prompts.push_back(prompt_of(record, record_place(file, number)));
    });
  } else {
    prompts = read_lines(file);
  }
  check_input(!prompts.empty(), kNoPrompts, file.string());
  return prompts;
}

std::vector<TextPrompt> split_text_prompts(const std::filesystem::path& file, std::string_view contents) {
  check_is_text(file, contents);
  const bool is_json = source_kind(file) == SourceKind::jsonl;
  std::string_view text = without_byte_order_mark(contents);
  std::vector<TextPrompt> prompts;
  for (std::int64_t number = 1; !text.empty(); ++number) {
    std::string line(take_line(text).first);
    const std::string place = line_place(file, number);
    if (line.find_first_not_of(is_json ? " \t" : "") == std::string::npos) continue;
    if (is_json) {
      const Json object = parse_json(line, place);
      check_input(object.is_object() && object.contains("prompt") && object["prompt"].is_string(),
                  "{}: an object with the prompt as a string is expected, such as {{\"prompt\": \"Once upon\"}}",
                  place);
      line = object["prompt"].get<std::string>();
    }
    prompts.push_back({std::move(line), place});
  }
  check_input(!prompts.empty(), kNoPrompts, file.string());
  return prompts;
}

}  // namespace kiln
