// A model's own chat template in Jinja. Contents are found by marks; no text of the template is searched for.
#include "kiln/core/error.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "text/chat_form.h"
#include "text/chat_jinja.h"
#include "text/jinja.h"
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace kiln {
namespace {

constexpr std::string_view kMarkBegin = "\uFDD0", kMarkEnd = "\uFDD1";  // noncharacters, for use within programs
constexpr int kShownColumns = 60;                                       // of a content, in messages

std::string mark(std::size_t message) { return fmt::format("{}{}{}", kMarkBegin, message, kMarkEnd); }

/// Returns the messages with marks in place of contents. Empty ones stay: templates ask whether there is a content.
std::vector<ChatMessage> marked(std::span<const ChatMessage> messages) {
  std::vector<ChatMessage> result(messages.begin(), messages.end());
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (!result[i].content.empty()) result[i].content = mark(i);
  }
  return result;
}

/// Returns what kiln writes as bos_token and eos_token for these ids.
ModelTokens model_tokens(const Tokenizer& tokenizer, const SpecialIds& ids) {
  const auto content = [&](std::optional<TokenId> id) {
    const SpecialToken* token = id ? tokenizer.special_by_id(*id) : nullptr;
    return token == nullptr ? "" : token->content;
  };
  return {.start = content(ids.begin), .end = content(ids.ends.empty() ? std::nullopt : std::optional(ids.ends[0]))};
}

/// Returns "{% set VARIABLE = OWN %}\n" if the checkpoint will name another token, else "". The line feed goes with the
/// statement, so the template begins a line, as without it.
std::string setting(std::string_view variable, const std::string& own, const std::string& written) {
  return own == written ? "" : fmt::format("{{% set {} = {} %}}\n", variable, jinja_literal(own));
}

/// Reads a template. Throws Error (usage) if it is none.
JinjaTemplate read(std::string_view jinja) {
  try {
    return JinjaTemplate(jinja);
  } catch (const JinjaError& error) {
    fail(ExitCode::usage, "the model's chat template cannot be read: {}", printable(error.what()));
  }
}

/// Part of a rendering. `message`: the one whose content the text is; kNoMessage for the text of the template.
struct Part {
  std::string text;
  std::size_t message = kNoMessage;
};

struct FoundSpecial {
  const SpecialToken* token = nullptr;
  std::size_t end = 0;  // behind it in the text
};

/// Renders each conversation twice: as it is, and with a mark for each content. The marks show which text is whose.
/// The pieces are the special tokens and the texts between them, which are cut where an answer begins: behind what
/// add_generation_prompt opens it with. An answer ends with the first special token behind its content.
class OwnForm : public ChatForm {
 public:
  OwnForm(const ChatTemplateSpec& spec, const Tokenizer& tokenizer, const SpecialIds& ids);

  std::vector<ChatPiece> pieces(std::span<const ChatMessage> messages, bool opens_answer) const override;
  TokenId end_of_turn() const override { return end_of_turn_; }
  std::string jinja() const override { return written_; }
  std::string identity() const override { return identity_; }
  bool continues_prompts() const override { return continues_prompts_; }

  FoundSpecial first_special(std::string_view text) const;

 private:
  std::string render(std::span<const ChatMessage> messages, bool opens_answer) const;
  std::vector<Part> parts(std::span<const ChatMessage> messages, bool opens_answer) const;
  [[noreturn]] void fail_changed(std::span<const ChatMessage> messages, bool opens_answer) const;

  JinjaTemplate jinja_;
  ModelTokens tokens_;
  std::vector<SpecialToken> specials_;  // the longest first
  std::string written_, identity_;
  std::array<bool, 256> may_begin_special_{};  // by first byte
  std::string gap_;                            // between the opening of an answer and its content
  bool continues_prompts_ = false;
  TokenId end_of_turn_ = 0;
};

/// Cuts texts into pieces, one after another.
class Cutter {
 public:
  explicit Cutter(const OwnForm& own) : own_(own) {}

  /// What follows belongs to a message, and maybe is what the model says in it.
  void enter(std::size_t message, bool is_answer) {
    if (is_answer != is_answer_ || (is_answer && message != message_)) finish_text();
    message_ = message;
    is_answer_ = is_answer;
  }

  void add_content(std::string_view text) { text_ += text; }

  void add_template(std::string_view text) {
    for (FoundSpecial found; (found = own_.first_special(text)).token != nullptr; text.remove_prefix(found.end)) {
      text_ += text.substr(0, found.end - found.token->content.size());
      finish_text();
      pieces_.push_back({found.token->id, {}, message_, is_answer_});
    }
    text_ += text;
  }

  std::vector<ChatPiece> take() {
    finish_text();
    return std::move(pieces_);
  }

 private:
  void finish_text() {
    if (!text_.empty()) pieces_.push_back({{}, std::exchange(text_, {}), message_, is_answer_});
  }

  const OwnForm& own_;
  std::vector<ChatPiece> pieces_;
  std::string text_;
  std::size_t message_ = kNoMessage;
  bool is_answer_ = false;
};

OwnForm::OwnForm(const ChatTemplateSpec& spec, const Tokenizer& tokenizer, const SpecialIds& ids)
    : jinja_(read(spec.jinja)),
      tokens_(spec.tokens),
      specials_(tokenizer.special_tokens()),
      written_(written_jinja(spec, tokenizer, ids)) {
  for (const SpecialToken& token : specials_)
    may_begin_special_[static_cast<unsigned char>(token.content.front())] = true;
  std::ranges::stable_sort(specials_, std::ranges::greater{},
                           [](const SpecialToken& token) { return token.content.size(); });
  const std::vector<ChatMessage> probe{{ChatRole::user, "Hello"}, {ChatRole::assistant, "Hi"}};
  const std::string opened = render(std::span(probe).first(1), true);
  const std::vector<Part> all = parts(probe, false);
  const auto answer = std::ranges::find(all, std::size_t{1}, &Part::message);
  std::string before, behind;
  for (auto part = all.begin(); part != all.end(); ++part) {
    if (part != answer) (part < answer ? before : behind) += part->message == 0 ? probe[0].content : part->text;
  }
  continues_prompts_ = before.starts_with(opened);
  if (continues_prompts_) gap_ = before.substr(opened.size());
  const FoundSpecial end = first_special(behind);
  check(end.token != nullptr,
        "the model's chat template ends an answer with \"{}\", which holds no special token of the vocabulary",
        shortened(printable(behind), kShownColumns));
  end_of_turn_ = end.token->id;
  const ModelTokens written = model_tokens(tokenizer, ids);
  identity_ = fmt::format("own {}\n{}\n{}\n{}", end_of_turn_, written.start, written.end, written_);
}

FoundSpecial OwnForm::first_special(std::string_view text) const {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!may_begin_special_[static_cast<unsigned char>(text[at])]) continue;
    for (const SpecialToken& token : specials_) {
      if (text.substr(at).starts_with(token.content)) return {&token, at + token.content.size()};
    }
  }
  return {};
}

std::string OwnForm::render(std::span<const ChatMessage> messages, bool opens_answer) const {
  Json variables{{"messages", Json::array()}, {"add_generation_prompt", opens_answer}};
  for (const ChatMessage& message : messages)
    variables["messages"].push_back({{"role", name_of(message.role)}, {"content", message.content}});
  if (!tokens_.start.empty()) variables["bos_token"] = tokens_.start;
  if (!tokens_.end.empty()) variables["eos_token"] = tokens_.end;
  try {
    return jinja_.render(variables);
  } catch (const JinjaRefusal& refusal) {
    fail(ExitCode::usage, "the model's chat template refuses the conversation: {}", printable(refusal.what()));
  } catch (const JinjaError& error) {
    fail(ExitCode::usage, "the model's chat template cannot be rendered: {}", printable(error.what()));
  }
}

/// Returns the text and the contents in their order. Throws Error (usage) if they are not the conversation's text.
std::vector<Part> OwnForm::parts(std::span<const ChatMessage> messages, bool opens_answer) const {
  std::vector<Part> parts;
  std::string joined;
  const auto add = [&](std::string_view text, std::size_t message) {
    joined += text;
    if (!text.empty()) parts.push_back({std::string(text), message});
  };
  const std::string rendered = render(marked(messages), opens_answer);
  std::string_view rest = rendered;
  for (std::size_t at = 0; (at = rest.find(kMarkBegin)) != std::string_view::npos;) {
    add(rest.substr(0, at), kNoMessage);
    rest.remove_prefix(at + kMarkBegin.size());
    std::size_t message = kNoMessage;
    const char* end = std::from_chars(rest.data(), rest.data() + rest.size(), message).ptr;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (message >= messages.size() || !rest.starts_with(kMarkEnd)) fail_changed(messages, opens_answer);
    rest.remove_prefix(kMarkEnd.size());
    add(messages[message].content, message);
  }
  add(rest, kNoMessage);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    check(messages[i].content.empty() || std::ranges::find(parts, i, &Part::message) != parts.end(),
          "the model's chat template leaves out messages[{}], of the role {}", i, name_of(messages[i].role));
  }
  if (joined != render(messages, opens_answer)) fail_changed(messages, opens_answer);
  return parts;
}

/// Says which message's content the template changes: the first whose mark does not stand where its content does.
void OwnForm::fail_changed(std::span<const ChatMessage> messages, bool opens_answer) const {
  const std::string text = render(messages, opens_answer);
  std::vector<ChatMessage> marked(messages.begin(), messages.end());
  for (std::size_t i = 0; i < messages.size(); ++i) {
    marked[i].content = mark(i);
    std::string found = render(marked, opens_answer);
    for (std::size_t at = 0; (at = found.find(marked[i].content, at)) != std::string::npos;)
      found.replace(at, marked[i].content.size(), messages[i].content);
    marked[i].content = messages[i].content;
    check(messages[i].content.empty() || found == text,
          "the model's chat template changes the content of messages[{}], \"{}\": kiln needs one that copies contents",
          i, shortened(printable(messages[i].content), kShownColumns));
  }
  fail(ExitCode::usage, "the model's chat template does not copy what the messages say");
}

std::vector<ChatPiece> OwnForm::pieces(std::span<const ChatMessage> messages, bool opens_answer) const {
  std::vector<ChatMessage> trimmed(messages.begin(), messages.end());
  for (ChatMessage& message : trimmed) message.content = std::string(trim_content(message.content));
  const std::vector<Part> all = parts(trimmed, opens_answer);
  const auto message_of = [&](std::size_t i) { return i < all.size() ? all[i].message : kNoMessage; };
  const auto is_answer = [&](std::size_t message) {
    return message != kNoMessage && messages[message].role == ChatRole::assistant;
  };
  Cutter cutter(*this);
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string_view text = all[i].text;
    if (const std::size_t message = message_of(i); message != kNoMessage) {
      cutter.enter(message, is_answer(message));
      cutter.add_content(text);
      continue;
    }
    const std::size_t next = message_of(i + 1);
    if (i > 0) {  // the end of the message before
      const std::size_t end = first_special(text).end;
      cutter.add_template(text.substr(0, end));
      text.remove_prefix(end);
    }
    cutter.enter(next == kNoMessage && i > 0 ? message_of(i - 1) : next, false);
    const bool has_gap = is_answer(next) && text.ends_with(gap_);
    const std::size_t opening = text.size() - (has_gap ? gap_.size() : 0);
    cutter.add_template(text.substr(0, opening));
    if (has_gap) cutter.enter(next, true);
    cutter.add_template(text.substr(opening));
  }
  return cutter.take();
}

}  // namespace

std::string written_jinja(const ChatTemplateSpec& spec, const Tokenizer& tokenizer, const SpecialIds& ids) {
  if (spec.kind != ChatTemplateKind::own) return spec.jinja;
  const ModelTokens written = model_tokens(tokenizer, ids);
  return setting("bos_token", spec.tokens.start, written.start) + setting("eos_token", spec.tokens.end, written.end) +
         spec.jinja;
}

std::unique_ptr<const ChatForm> own_form(const ChatTemplateSpec& spec, const Tokenizer& tokenizer,
                                         const SpecialIds& ids) {
  return std::make_unique<OwnForm>(spec, tokenizer, ids);
}

}  // namespace kiln
