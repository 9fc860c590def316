// Reads the prompts that models are to answer.
#pragma once

#include "kiln/text/chat_template.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A conversation that an answer is to follow.
struct ChatPrompt {
  std::vector<ChatMessage> messages;
  std::string place = {};     // "a.jsonl:3", for messages
  std::string expected = {};  // the record's own answer; "" if it has none
};

/// Reads a file of prompts. A .jsonl or .json file (see read_conversations) has records with "messages", of which a
/// last answer is left out, or with "prompt", a text or a list of messages. The expected answer is the answer that was
/// left out of "messages", else "completion", else "answer", else what was left out of "prompt". "completion" and
/// "answer" are a text, a number, or a list of messages whose last one is an assistant's; other values and other keys
/// are ignored. Of any other file, each line that is not blank is what a user says. Throws Error (bad_input)
/// if there are no prompts, and, with the line and the key, for a record that does not fit.
std::vector<ChatPrompt> read_chat_prompts(const std::filesystem::path& file);

/// A text that a model is to continue.
struct TextPrompt {
  std::string text;
  std::string place = {};  // its line, "prompts.txt:3", for messages; may be empty
};

/// Returns the prompts in the contents of a file: the field "prompt" of each line of .jsonl, else the lines themselves.
/// Skips empty lines. The file's name decides on its kind. Throws Error (bad_input) if there are no prompts, for a line
/// of .jsonl without one, and for contents that are not text, or not JSON.
std::vector<TextPrompt> split_text_prompts(const std::filesystem::path& file, std::string_view contents);

}  // namespace kiln
