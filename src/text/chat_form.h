// What a chat template does behind ChatTemplate: it makes one list of pieces of a conversation, from which both its
// tokens and its text follow.
#pragma once

#include "kiln/text/chat_template.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kiln {

inline constexpr std::size_t kNoMessage = static_cast<std::size_t>(-1);

/// A special token or a text, which is encoded by itself.
struct ChatPiece {
  std::optional<TokenId> special;
  std::string text = {};
  std::size_t message = kNoMessage;  // the index of the message that the piece belongs to
  bool is_answer = false;            // the model says it: the loss may score it
};

class ChatForm {
 public:
  virtual ~ChatForm() = default;

  /// Returns the pieces of a conversation, and of the opening of an answer to it.
  virtual std::vector<ChatPiece> pieces(std::span<const ChatMessage> messages, bool opens_answer) const = 0;

  /// Returns the token that ends an assistant message.
  virtual TokenId end_of_turn() const = 0;

  /// Returns whether prompts end as what stands before an answer.
  virtual bool continues_prompts() const { return true; }

  virtual std::string jinja() const = 0;

  /// Returns a text that is equal for equal tokens of every conversation.
  virtual std::string identity() const = 0;
};

/// Each throws as ChatTemplate's constructor does. `tokenizer` must outlive the form.
std::unique_ptr<const ChatForm> built_in_form(ChatTemplateKind kind, const Tokenizer& tokenizer, const SpecialIds& ids);
std::unique_ptr<const ChatForm> own_form(const ChatTemplateSpec& spec, const Tokenizer& tokenizer,
                                         const SpecialIds& ids);

/// Returns a token as text.
std::string spelled(const Tokenizer& tokenizer, TokenId id);

}  // namespace kiln
