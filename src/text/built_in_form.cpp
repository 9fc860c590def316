// The built-in chat templates.
#include "kiln/core/error.h"
#include "kiln/core/utf8.h"

#include "text/chat_form.h"
#include "text/chat_jinja.h"

namespace kiln {
namespace {

constexpr std::string_view kImStart = "<|im_start|>", kImEnd = "<|im_end|>";
constexpr std::string_view kBeginOfText = "<|begin_of_text|>", kStartHeader = "<|start_header_id|>",
                           kEndHeader = "<|end_header_id|>", kEndOfTurn = "<|eot_id|>";

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

class BuiltInForm : public ChatForm {
 public:
  BuiltInForm(ChatTemplateKind kind, const Tokenizer& tokenizer, const SpecialIds& ids);

  std::vector<ChatPiece> pieces(std::span<const ChatMessage> messages, bool opens_answer) const override;
  TokenId end_of_turn() const override { return end_of_turn_; }
  std::string jinja() const override;
  std::string identity() const override;

 private:
  void add_message(const ChatMessage& message, std::size_t index, std::vector<ChatPiece>& pieces) const;
  void add_opening(ChatRole role, bool is_first, std::vector<ChatPiece>& pieces) const;

  ChatTemplateKind kind_;
  const Tokenizer& tokenizer_;
  std::optional<TokenId> begin_;       // before the first message
  std::optional<TokenId> open_;        // begins a header: <|im_start|>, <|start_header_id|>
  std::optional<TokenId> header_end_;  // <|end_header_id|>
  TokenId end_of_turn_ = 0;
};

BuiltInForm::BuiltInForm(ChatTemplateKind kind, const Tokenizer& tokenizer, const SpecialIds& ids)
    : kind_(kind), tokenizer_(tokenizer) {
  std::string lacking;
  for (const std::string& name : chat_special_tokens(kind)) {
    if (!tokenizer.special(name)) lacking += fmt::format("{}\"{}\"", lacking.empty() ? "" : ", ", name);
  }
  check(lacking.empty(),
        "chat template \"{}\": the vocabulary has no special token {}; add what is missing to "
        "tokenizer.special_tokens, or use the template \"plain\", which needs none",
        kChatTemplateKinds[static_cast<std::size_t>(kind)], lacking);
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
    case ChatTemplateKind::own:
      return;  // is a form of its own
  }
}

void BuiltInForm::add_opening(ChatRole role, bool is_first, std::vector<ChatPiece>& pieces) const {
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
    case ChatTemplateKind::own:
      return;
  }
}

void BuiltInForm::add_message(const ChatMessage& message, std::size_t index, std::vector<ChatPiece>& pieces) const {
  const bool is_answer = message.role == ChatRole::assistant;
  const bool is_plain = kind_ == ChatTemplateKind::plain;
  add_opening(message.role, index == 0, pieces);
  std::string content(trim_content(message.content));
  if (is_plain && message.role != ChatRole::system && !content.empty()) content.insert(0, 1, ' ');
  if (is_plain && !is_answer) {
    pieces.back().text += content;  // one text, so that it is split as usual
    return;
  }
  pieces.push_back({.special = {}, .text = std::move(content), .is_answer = is_answer});
  pieces.push_back({.special = end_of_turn_, .text = {}, .is_answer = is_answer});
  if (kind_ == ChatTemplateKind::chatml) pieces.push_back({{}, "\n"});
}

std::vector<ChatPiece> BuiltInForm::pieces(std::span<const ChatMessage> messages, bool opens_answer) const {
  std::vector<ChatPiece> pieces;
  if (begin_) pieces.push_back({begin_, {}});
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::size_t first = pieces.size();
    add_message(messages[i], i, pieces);
    for (ChatPiece& piece : std::span(pieces).subspan(first)) piece.message = i;
  }
  if (opens_answer) add_opening(ChatRole::assistant, messages.empty(), pieces);
  return pieces;
}

std::string BuiltInForm::jinja() const {
  return chat_jinja(kind_, begin_ ? spelled(tokenizer_, *begin_) : "", spelled(tokenizer_, end_of_turn_));
}

std::string BuiltInForm::identity() const {
  std::string all = fmt::format("1 {}", static_cast<int>(kind_));  // 1: the version of the built-in templates
  for (const std::optional<TokenId> id : {begin_, open_, header_end_, std::optional(end_of_turn_)}) {
    all += id ? fmt::format("\n{} {}", *id, tokenizer_.token_bytes(*id)) : "\n-";
  }
  return all;
}

}  // namespace

std::unique_ptr<const ChatForm> built_in_form(ChatTemplateKind kind, const Tokenizer& tokenizer,
                                              const SpecialIds& ids) {
  return std::make_unique<BuiltInForm>(kind, tokenizer, ids);
}

std::vector<std::string> chat_special_tokens(ChatTemplateKind kind) {
  switch (kind) {
    case ChatTemplateKind::chatml:
      return {std::string(kImStart), std::string(kImEnd)};
    case ChatTemplateKind::llama3:
      return {std::string(kBeginOfText), std::string(kStartHeader), std::string(kEndHeader), std::string(kEndOfTurn)};
    case ChatTemplateKind::plain:
    case ChatTemplateKind::own:
      return {};
  }
  return {};
}

}  // namespace kiln
