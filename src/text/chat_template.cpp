// Makes one list of pieces of a conversation, from which both its tokens and its text follow.
#include "kiln/text/chat_template.h"

#include "kiln/core/error.h"
#include "kiln/core/hash.h"
#include "kiln/core/utf8.h"

#include "text/chat_jinja.h"
#include <algorithm>

namespace kiln {
namespace {

constexpr std::string_view kImStart = "<|im_start|>", kImEnd = "<|im_end|>";
constexpr std::string_view kBeginOfText = "<|begin_of_text|>", kStartHeader = "<|start_header_id|>",
                           kEndHeader = "<|end_header_id|>", kEndOfTurn = "<|eot_id|>";
constexpr std::size_t kNoMessage = static_cast<std::size_t>(-1);

/// Python's str.isspace.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// Returns plain's name of a role; system text has none.
std::string_view plain_label(ChatRole role) {
  switch (role) {
    case ChatRole::system:
      return "";
    case ChatRole::user:
      return "User:";
    case ChatRole::assistant:
      return "Assistant:";
    case ChatRole::tool:
      return "Tool:";
  }
  return "";
}

/// Returns the message whose content Supervise::completion scores.
std::size_t last_answer(std::span<const ChatMessage> messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    if (messages[i].role == ChatRole::assistant) return i;
  }
  return kNoMessage;
}

}  // namespace

/// `answer`: the message if the piece is what the model says in it; kNoMessage for all other pieces.
struct ChatTemplate::Piece {
  std::optional<TokenId> special;
  std::string text;
  std::size_t answer = kNoMessage;
};

ChatTemplate::ChatTemplate(ChatTemplateKind kind, const Tokenizer& tokenizer, const SpecialIds& ids)
    : kind_(kind), tokenizer_(&tokenizer) {
  std::string lacking;
  for (const std::string& name : chat_special_tokens(kind)) {
    if (!tokenizer.special(name)) lacking += fmt::format("{}\"{}\"", lacking.empty() ? "" : ", ", name);
  }
  const std::string_view kind_name = kChatTemplateKinds[static_cast<std::size_t>(kind)];
  check(lacking.empty(),
        "chat template \"{}\": the vocabulary has no special token {}; add what is missing to "
        "tokenizer.special_tokens, or use the template \"plain\", which needs none",
        kind_name, lacking);
  switch (kind) {
    case ChatTemplateKind::chatml:
      open_ = tokenizer.special(kImStart);
      end_of_turn_ = *tokenizer.special(kImEnd);
      return;
    case ChatTemplateKind::llama3:
      begin_ = tokenizer.special(kBeginOfText);
      open_ = tokenizer.special(kStartHeader);
      header_end_ = tokenizer.special(kEndHeader);
      end_of_turn_ = *tokenizer.special(kEndOfTurn);
      return;
    case ChatTemplateKind::plain:
      check(ids.end.has_value(),
            "chat template \"plain\": the model has no end token, which ends each answer; name one in "
            "tokenizer.end_of_text");
      begin_ = ids.start;
      end_of_turn_ = *ids.end;
      return;
  }
}

void ChatTemplate::add_opening(ChatRole role, bool is_first, std::vector<Piece>& pieces) const {
  switch (kind_) {
    case ChatTemplateKind::chatml:
      pieces.push_back({open_, {}});
      pieces.push_back({{}, fmt::format("{}\n", name_of(role))});
      return;
    case ChatTemplateKind::llama3:
      pieces.push_back({open_, {}});
      pieces.push_back({{}, std::string(role == ChatRole::tool ? "ipython" : name_of(role))});
      pieces.push_back({header_end_, {}});
      pieces.push_back({{}, "\n\n"});
      return;
    case ChatTemplateKind::plain:
      pieces.push_back({{}, fmt::format("{}{}", is_first ? "" : "\n\n", plain_label(role))});
      return;
  }
}

void ChatTemplate::add_message(const ChatMessage& message, std::size_t index, std::vector<Piece>& pieces) const {
  const bool is_answer = message.role == ChatRole::assistant;
  const bool is_plain = kind_ == ChatTemplateKind::plain;
  add_opening(message.role, index == 0, pieces);
  std::string content(trim_content(message.content));
  if (is_plain && message.role != ChatRole::system && !content.empty()) content.insert(0, 1, ' ');
  if (is_plain && !is_answer) {
    pieces.back().text += content;  // one text, so that it is split as usual
    return;
  }
  const std::size_t answer = is_answer ? index : kNoMessage;
  pieces.push_back({{}, std::move(content), answer});
  pieces.push_back({end_of_turn_, {}, answer});
  if (kind_ == ChatTemplateKind::chatml) pieces.push_back({{}, "\n"});
}

std::vector<ChatTemplate::Piece> ChatTemplate::pieces(std::span<const ChatMessage> messages, bool opens_answer) const {
  std::vector<Piece> pieces;
  if (begin_) pieces.push_back({begin_, {}});
  for (std::size_t i = 0; i < messages.size(); ++i) add_message(messages[i], i, pieces);
  if (opens_answer) add_opening(ChatRole::assistant, messages.empty(), pieces);
  return pieces;
}

void ChatTemplate::append(const Piece& piece, std::vector<TokenId>& ids) const {
  const std::vector<TokenId> encoded = piece.special ? std::vector{*piece.special} : tokenizer_->encode(piece.text);
  ids.insert(ids.end(), encoded.begin(), encoded.end());
}

ChatTokens ChatTemplate::tokens(std::span<const ChatMessage> messages, Supervise supervise) const {
  const std::size_t last = last_answer(messages);
  ChatTokens tokens;
  for (const Piece& piece : pieces(messages, false)) {
    append(piece, tokens.ids);
    const bool is_supervised =
        supervise == Supervise::all ||
        (piece.answer != kNoMessage && (supervise == Supervise::assistant || piece.answer == last));
    tokens.supervised.resize(tokens.ids.size(), is_supervised ? 1 : 0);
  }
  if (!tokens.supervised.empty()) tokens.supervised.front() = 0;  // nothing precedes it to predict it from
  return tokens;
}

std::vector<TokenId> ChatTemplate::prompt(std::span<const ChatMessage> messages) const {
  std::vector<TokenId> ids;
  for (const Piece& piece : pieces(messages, true)) append(piece, ids);
  return ids;
}

std::string ChatTemplate::text(std::span<const ChatMessage> messages, bool opens_answer) const {
  std::string text;
  for (const Piece& piece : pieces(messages, opens_answer))
    text += piece.special ? spelled(*piece.special) : piece.text;
  return text;
}

std::string ChatTemplate::spelled(TokenId id) const { return utf8_replace_invalid(tokenizer_->token_bytes(id)); }

std::string ChatTemplate::jinja() const {
  return chat_jinja(kind_, begin_ ? spelled(*begin_) : "", spelled(end_of_turn_));
}

std::uint64_t ChatTemplate::hash() const {
  std::string all = fmt::format("1 {}", static_cast<int>(kind_));  // 1: the version of the built-in templates
  for (const std::optional<TokenId> id : {begin_, open_, header_end_, std::optional(end_of_turn_)}) {
    all += id ? fmt::format("\n{} {}", *id, tokenizer_->token_bytes(*id)) : "\n-";
  }
  return hash_bytes(all);
}

std::vector<std::string> chat_special_tokens(ChatTemplateKind kind) {
  switch (kind) {
    case ChatTemplateKind::chatml:
      return {std::string(kImStart), std::string(kImEnd)};
    case ChatTemplateKind::llama3:
      return {std::string(kBeginOfText), std::string(kStartHeader), std::string(kEndHeader), std::string(kEndOfTurn)};
    case ChatTemplateKind::plain:
      return {};
  }
  return {};
}

std::string_view trim_content(std::string_view content) {
  std::size_t begin = content.size(), end = 0;
  for (std::size_t at = 0; at < content.size();) {
    const std::size_t length = utf8_length(content, at);
    const std::size_t next = at + std::max<std::size_t>(length, 1);
    if (length == 0 || !is_python_space(utf8_decode(content, at, length))) {
      begin = std::min(begin, at);
      end = next;
    }
    at = next;
  }
  return end == 0 ? std::string_view() : content.substr(begin, end - begin);
}

}  // namespace kiln
