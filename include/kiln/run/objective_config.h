// Configures what training minimises, and how conversations become tokens.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/data/encoded_conversations.h"
#include "kiln/text/chat_template.h"

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace kiln {

/// next_token: predict every token of a text; sft: the answers in conversations (supervised finetuning).
enum class ObjectiveKind { next_token, sft };
inline constexpr std::array<std::string_view, 2> kObjectiveKinds{"next_token", "sft"};
inline std::span<const std::string_view> names_of(ObjectiveKind) { return kObjectiveKinds; }

struct ObjectiveConfig {
  ObjectiveKind type = ObjectiveKind::next_token;
  Supervise supervise = Supervise::assistant;
  TooLong too_long = TooLong::drop;

  template <class V>
  void visit(V& v) {
    v("type", type,
      "next_token: predict every token of a text; sft: predict the answers in conversations (supervised finetuning)");
    v("supervise", supervise,
      "sft: tokens to predict; assistant: every answer and its end token; completion: only the last answer; all: every "
      "token");
    v("too_long", too_long,
      "sft: what to do with a conversation longer than n_ctx; drop: skip it; cut: remove its oldest turns");
  }
};

/// The choice of a template: automatic, or one of kChatTemplateKinds.
enum class ChatTemplateChoice { automatic, chatml, llama3, plain };
inline constexpr std::array<std::string_view, 4> kChatTemplateChoices{"auto", kChatTemplateKinds[0],
                                                                      kChatTemplateKinds[1], kChatTemplateKinds[2]};
inline std::span<const std::string_view> names_of(ChatTemplateChoice) { return kChatTemplateChoices; }

struct ChatConfig {
  ChatTemplateChoice choice = ChatTemplateChoice::automatic;

  /// Returns the chosen template; nullopt for automatic.
  std::optional<ChatTemplateKind> kind() const {
    if (choice == ChatTemplateChoice::automatic) return std::nullopt;
    return static_cast<ChatTemplateKind>(static_cast<int>(choice) - 1);
  }
  void set(ChatTemplateKind kind) { choice = static_cast<ChatTemplateChoice>(static_cast<int>(kind) + 1); }

  template <class V>
  void visit(V& v) {
    v("template", choice,
      "format of conversations; chatml and llama3 have special tokens, which a new vocabulary reserves; plain: \"User: "
      "...\"; auto: the model's own template, else the one whose tokens the vocabulary has, else plain");
  }
};

}  // namespace kiln
