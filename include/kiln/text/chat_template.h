// Renders conversations as the tokens that a chat model reads: one template for training, chat and export.
#pragma once

#include "kiln/text/special_ids.h"
#include "kiln/text/tokenizer.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Who speaks.
enum class ChatRole { system, user, assistant, tool };
inline constexpr std::array<std::string_view, 4> kChatRoles{"system", "user", "assistant", "tool"};
inline std::string_view name_of(ChatRole role) { return kChatRoles[static_cast<std::size_t>(role)]; }

struct ChatMessage {
  ChatRole role = ChatRole::user;
  std::string content;
  bool operator==(const ChatMessage&) const = default;
};

/// A built-in template. plain: "User: ...\n\nAssistant: ..." for models without chat tokens.
enum class ChatTemplateKind { chatml, llama3, plain };
inline constexpr std::array<std::string_view, 3> kChatTemplateKinds{"chatml", "llama3", "plain"};
inline std::span<const std::string_view> names_of(ChatTemplateKind) { return kChatTemplateKinds; }

/// Which tokens are supervised: those of assistant messages and the token that ends each; those of the last assistant
/// message alone; or all.
enum class Supervise { assistant, completion, all };
inline constexpr std::array<std::string_view, 3> kSupervise{"assistant", "completion", "all"};
inline std::span<const std::string_view> names_of(Supervise) { return kSupervise; }

/// The tokens of a conversation, and which of them the loss scores.
struct ChatTokens {
  std::vector<TokenId> ids;              // (N)
  std::vector<std::uint8_t> supervised;  // (N) 1: the model learns to predict this token
};

/// A template bound to a tokenizer. Immutable. Content is trimmed of surrounding white space, as the Jinja does, and is
/// encoded as text: a marker that a user typed stays text.
///
/// The tokens of a conversation begin with those of its first messages: a longer conversation extends a shorter one.
class ChatTemplate {
 public:
  /// Throws Error (usage) if the tokenizer lacks a special token of the template, naming those it lacks, or if `plain`
  /// finds no end token in `ids`. `tokenizer` must outlive the template.
  ChatTemplate(ChatTemplateKind kind, const Tokenizer& tokenizer, const SpecialIds& ids);

  ChatTemplateKind kind() const { return kind_; }

  /// Returns the tokens of a conversation, and which are supervised.
  /// Throws Error (usage) as Tokenizer::encode does.
  ChatTokens tokens(std::span<const ChatMessage> messages, Supervise supervise = Supervise::assistant) const;

  /// Returns the tokens that the model's answer follows: the conversation, and the opening of an assistant message.
  std::vector<TokenId> prompt(std::span<const ChatMessage> messages) const;

  /// Returns the same as text, special tokens spelled out: what Jinja renders.
  std::string text(std::span<const ChatMessage> messages, bool opens_answer = false) const;

  /// Returns the token that ends an assistant message.
  TokenId end_of_turn() const;

  /// Returns the template in Jinja, for tokenizer_config.json and chat_template.jinja. transformers and llama.cpp
  /// render the same text with it.
  std::string jinja() const;

  /// Returns a hash of the template: equal for equal tokens of every conversation.
  std::uint64_t hash() const;

 private:
  ChatTemplateKind kind_;
};

/// Returns the special tokens that a template needs in the vocabulary; none for plain.
std::vector<std::string> chat_special_tokens(ChatTemplateKind kind);

}  // namespace kiln
