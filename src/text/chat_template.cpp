// Makes tokens and text of a template's pieces.
#include "kiln/text/chat_template.h"

#include "kiln/core/hash.h"
#include "kiln/core/utf8.h"

#include "text/chat_form.h"
#include "text/chat_jinja.h"
#include <algorithm>

namespace kiln {
namespace {

/// Python's str.isspace.
bool is_python_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/// Returns the message whose content Supervise::completion scores.
std::size_t last_answer(std::span<const ChatMessage> messages) {
  for (std::size_t i = messages.size(); i-- > 0;) {
    if (messages[i].role == ChatRole::assistant) return i;
  }
  return kNoMessage;
}

void append(const ChatPiece& piece, const Tokenizer& tokenizer, std::vector<TokenId>& ids) {
  const std::vector<TokenId> encoded = piece.special ? std::vector{*piece.special} : tokenizer.encode(piece.text);
  ids.insert(ids.end(), encoded.begin(), encoded.end());
}

}  // namespace

ChatTemplateSpec chat_template_of_jinja(std::string_view jinja, const ModelTokens& tokens) {
  const std::string_view shown = jinja.substr(0, jinja.size() - (jinja.ends_with('\n') ? 1 : 0));  // as Jinja reads it
  return {.kind = built_in_jinja(shown).value_or(ChatTemplateKind::own), .jinja = std::string(jinja), .tokens = tokens};
}

ChatTemplate::ChatTemplate(const ChatTemplateSpec& spec, const Tokenizer& tokenizer, const SpecialIds& ids)
    : kind_(spec.kind),
      tokenizer_(&tokenizer),
      form_(spec.kind == ChatTemplateKind::own ? own_form(spec, tokenizer, ids)
                                               : built_in_form(spec.kind, tokenizer, ids)) {}

ChatTokens ChatTemplate::tokens(std::span<const ChatMessage> messages, Supervise supervise) const {
  const std::size_t last = last_answer(messages);
  ChatTokens tokens;
  for (const ChatPiece& piece : form_->pieces(messages, false)) {
    append(piece, *tokenizer_, tokens.ids);
    const bool is_supervised = supervise == Supervise::all ||
                               (piece.is_answer && (supervise == Supervise::assistant || piece.message == last));
    tokens.supervised.resize(tokens.ids.size(), is_supervised ? 1 : 0);
  }
  if (!tokens.supervised.empty()) tokens.supervised.front() = 0;  // nothing precedes it to predict it from
  return tokens;
}

std::vector<TokenId> ChatTemplate::prompt(std::span<const ChatMessage> messages) const {
  std::vector<TokenId> ids;
  for (const ChatPiece& piece : form_->pieces(messages, true)) append(piece, *tokenizer_, ids);
  return ids;
}

std::vector<std::int64_t> ChatTemplate::lengths(std::span<const ChatMessage> messages) const {
  std::vector<std::int64_t> lengths(messages.size());
  for (const ChatPiece& piece : form_->pieces(messages, false)) {
    std::vector<TokenId> ids;
    append(piece, *tokenizer_, ids);
    if (piece.message != kNoMessage) lengths[piece.message] += std::ssize(ids);
  }
  return lengths;
}

std::string ChatTemplate::text(std::span<const ChatMessage> messages, bool opens_answer) const {
  std::string text;
  for (const ChatPiece& piece : form_->pieces(messages, opens_answer))
    text += piece.special ? spelled(*tokenizer_, *piece.special) : piece.text;
  return text;
}

TokenId ChatTemplate::end_of_turn() const { return form_->end_of_turn(); }

bool ChatTemplate::continues_prompts() const { return form_->continues_prompts(); }

std::string ChatTemplate::jinja() const { return form_->jinja(); }

std::uint64_t ChatTemplate::hash() const { return hash_bytes(form_->identity()); }

std::string spelled(const Tokenizer& tokenizer, TokenId id) { return utf8_replace_invalid(tokenizer.token_bytes(id)); }

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
