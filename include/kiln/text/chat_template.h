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

/// A template. The first three are built in:
/// - chatml: "<|im_start|>ROLE\nCONTENT<|im_end|>\n" for each message;
/// - llama3: "<|begin_of_text|>" once, then "<|start_header_id|>ROLE<|end_header_id|>\n\nCONTENT<|eot_id|>"; the
///   role of a tool is "ipython", as in Meta's templates;
/// - plain: "User: CONTENT" and "Assistant: CONTENT" with an empty line between, for models without chat tokens. The
///   model's end token ends an assistant message. The model's start token, if it has one, begins the conversation;
/// - own: any other, which a model brings along in Jinja.
enum class ChatTemplateKind { chatml, llama3, plain, own };
inline constexpr std::array<std::string_view, 4> kChatTemplateKinds{"chatml", "llama3", "plain", "own"};
inline std::span<const std::string_view> names_of(ChatTemplateKind) { return kChatTemplateKinds; }

/// Which tokens are supervised: those of assistant messages and the token that ends each; those of the last assistant
/// message alone; or all.
enum class Supervise { assistant, completion, all };
inline constexpr std::array<std::string_view, 3> kSupervise{"assistant", "completion", "all"};
inline std::span<const std::string_view> names_of(Supervise) { return kSupervise; }

/// The tokens of a conversation, and which of them the loss scores.
struct ChatTokens {
  std::vector<TokenId> ids;              // (N)
  std::vector<std::uint8_t> supervised;  // (N) 1: the model learns to predict this token; never the first
};

/// What a model's folder calls its start and end tokens: Jinja's bos_token and eos_token. Empty where it has none.
struct ModelTokens {
  std::string start, end;
};

/// A template that is not yet bound to a tokenizer.
struct ChatTemplateSpec {
  ChatTemplateKind kind;
  std::string jinja = {};   // the model's; `own` needs it
  ModelTokens tokens = {};  // the model's
};

/// Returns the template of a model's Jinja: the built-in one that kiln writes so, else `own`.
ChatTemplateSpec chat_template_of_jinja(std::string_view jinja, const ModelTokens& tokens = {});

/// Returns a model's Jinja for a checkpoint or an export with these ids. That of `own` sets bos_token and eos_token
/// first where `ids` give them other values than the model's folder.
std::string written_jinja(const ChatTemplateSpec& spec, const Tokenizer& tokenizer, const SpecialIds& ids);

class ChatForm;

/// A template bound to a tokenizer. Immutable. Content is trimmed (trim_content) and encoded as text: a marker that a
/// user typed stays text.
///
/// An answer is encoded by itself, as it follows its prompt. In the built-in templates each message is, so the tokens
/// of a longer conversation begin with those of its first messages. They are also the tokens of the whole text, encoded
/// with special tokens allowed, if no content spells a special token, except that
/// - in llama3, a tokenizer that splits as GPT-2 does parts the two line feeds before content in the whole text;
/// - in plain, one that splits as cl100k does joins the line feeds after a message to its last punctuation mark.
class ChatTemplate {
 public:
  /// Throws Error (usage) if the tokenizer lacks a special token of the template, naming those it lacks, if `plain`
  /// finds no end token in `ids`, and if `own` cannot be rendered, or ends no answer with a special token. `tokenizer`
  /// must outlive the template.
  ChatTemplate(const ChatTemplateSpec& spec, const Tokenizer& tokenizer, const SpecialIds& ids);
  ChatTemplate(ChatTemplateKind kind, const Tokenizer& tokenizer, const SpecialIds& ids)
      : ChatTemplate(ChatTemplateSpec{.kind = kind}, tokenizer, ids) {}

  ChatTemplateKind kind() const { return kind_; }

  /// Returns the tokens of a conversation, and which are supervised: of an assistant message its content and the token
  /// that ends it, but no token of its header.
  /// Throws Error (usage) as Tokenizer::encode does, and if `own` refuses the conversation or changes a content.
  ChatTokens tokens(std::span<const ChatMessage> messages, Supervise supervise = Supervise::assistant) const;

  /// Returns the tokens that the model's answer follows: the conversation, and the opening of an assistant message.
  /// Throws as tokens() does.
  std::vector<TokenId> prompt(std::span<const ChatMessage> messages) const;

  /// Returns how many of the tokens each message takes, with its header and its end. Throws as tokens() does.
  std::vector<std::int64_t> lengths(std::span<const ChatMessage> messages) const;

  /// Returns the same as text, special tokens spelled out: what Jinja renders. Throws as tokens() does.
  std::string text(std::span<const ChatMessage> messages, bool opens_answer = false) const;

  /// Returns the token that ends an assistant message.
  TokenId end_of_turn() const;

  /// Returns whether an answer follows the same text in a conversation as in a prompt. `own` may write another, such as
  /// "<think>" in a prompt alone.
  bool continues_prompts() const;

  /// Returns the template in Jinja, for tokenizer_config.json and chat_template.jinja. transformers, llama.cpp and
  /// @huggingface/jinja render text() with it, the latter two except for rare white space (see trim_content).
  std::string jinja() const;

  /// Returns a hash of the template: equal for equal tokens of every conversation.
  std::uint64_t hash() const;

 private:
  ChatTemplateKind kind_;
  const Tokenizer* tokenizer_;
  std::shared_ptr<const ChatForm> form_;
};

/// Returns the special tokens that a template needs in the vocabulary; none for plain and own.
std::vector<std::string> chat_special_tokens(ChatTemplateKind kind);

/// Returns content without white space at its ends, as Python's str.strip: Unicode's white space and U+001C to U+001F.
/// Other programs' `trim` agrees on what people type, but JavaScript's keeps U+001C to U+001F and U+0085 and drops
/// U+FEFF, and llama.cpp's knows ASCII alone.
std::string_view trim_content(std::string_view content);

}  // namespace kiln
