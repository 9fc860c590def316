// Reads conversations from files, in the shapes that data sets have.
#pragma once

#include "kiln/text/chat_template.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace kiln {

/// A conversation, or a document without roles: then `messages` is empty, and the text is learnt as it is.
struct Conversation {
  std::vector<ChatMessage> messages;
  std::string text;
  std::string place = {};  // "a.jsonl:3" or "a.json[2]", for messages
  std::string kind = {};   // the record's "kind", which groups the results of an evaluation
};

/// What a file held.
struct ConversationCounts {
  std::int64_t conversations = 0;   // passed on
  std::int64_t without_answer = 0;  // skipped: no assistant message with text, or a document without text
};

/// The patterns of the files to read in a folder, for find_source_files.
inline const std::vector<std::string> kConversationNames{"*.jsonl", "*.json"};

/// Reads a .jsonl file, or a .json file that holds an array; either may be compressed (.gz, .zst). Passes each
/// conversation to `visit`, in the file's order. The keys of an object tell its shape:
/// - messages: a list of {role, content}; role is system, user, assistant or tool; content is a string or a list of
///   {"type": "text", "text": ...};
/// - conversations: a list of {from, value}, where from may also be human or gpt (ShareGPT);
/// - prompt and completion: strings, or lists of messages;
/// - instruction, output and maybe input (Alpaca): the user says the instruction, an empty line, and the input;
/// - instruction and instances, a list of {input, output} (Self-Instruct): one conversation for each;
/// - prompt, an object with replies (OpenAssistant's trees): the path of the best ranked replies, to its last answer,
///   below at most 1,000 messages;
/// - text: a document.
/// Throws Error: usage for another kind of file; bad_input, with the file, the line or index, and the key, for a value
/// that does not fit, and as read_decompressed does.
ConversationCounts read_conversations(const std::filesystem::path& file,
                                      const std::function<void(Conversation)>& visit);

/// Returns true if a file's first record is a conversation with roles. Throws Error (bad_input) if it is not JSON, and
/// as read_decompressed does.
bool holds_conversations(const std::filesystem::path& file);

}  // namespace kiln
