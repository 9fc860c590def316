// Saves and loads conversations as lines of JSON, the form that training reads.
#pragma once

#include "kiln/text/chat_template.h"

#include <filesystem>
#include <span>
#include <vector>

namespace kiln::cli {

/// Writes {"messages": [{"role": "user", "content": "..."}, ...]} and a line feed. Throws Error (usage) if nothing can
/// be created there, and Error (io).
void save_conversation(const std::filesystem::path& file, std::span<const ChatMessage> messages);

/// Reads a file with one such line; other keys are ignored. Throws Error (bad_input) with the path in the JSON, and as
/// read_file does.
std::vector<ChatMessage> load_conversation(const std::filesystem::path& file);

}  // namespace kiln::cli
