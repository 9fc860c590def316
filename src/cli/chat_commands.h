// The commands within a chat, such as /undo.
#pragma once

#include "kiln/infer/chat_session.h"

#include "cli/chat_talk.h"
#include <filesystem>
#include <optional>
#include <string_view>

namespace kiln::cli {

/// A chat as its commands see it.
struct Chat {
  ChatSession& session;
  const Tokenizer& tokenizer;
  ChatTalk& talk;
  std::optional<std::filesystem::path> file = std::nullopt;  // last saved or loaded
  bool has_ended = false;                                    // /quit
};

/// Runs a command, which begins with a slash. Throws Error (usage) for an unknown command, with the nearest name, and
/// what the command throws.
void run_chat_command(Chat& chat, std::string_view line);

}  // namespace kiln::cli
