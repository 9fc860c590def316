// Recognises a foreign Jinja template by what it writes: it and the built-in templates render the same conversations.
#include "kiln/core/shown_text.h"
#include "kiln/text/chat_template.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "text/chat_jinja.h"
#include "text/jinja.h"
#include <algorithm>
#include <initializer_list>
#include <span>
#include <utility>

namespace kiln {
namespace {

constexpr int kShownColumns = 60;       // of a conversation or a text, in messages
constexpr std::size_t kShownSame = 12;  // bytes before the first difference
constexpr std::size_t kMostLiterals = 512;

struct Probe {
  std::vector<ChatMessage> messages;
  bool must_render = false;  // others a template may refuse
};

ChatMessage system(std::string text) { return {ChatRole::system, std::move(text)}; }
ChatMessage user(std::string text) { return {ChatRole::user, std::move(text)}; }
ChatMessage assistant(std::string text) { return {ChatRole::assistant, std::move(text)}; }

/// Returns conversations of every form. What a template compares a content with is in its string literals, so each of
/// them is a content, too, alone and within other text. Throws JinjaError if they are too many.
std::vector<Probe> probes(const std::vector<JinjaToken>& tokens) {
  const std::string many_lines = "First line\n\n  Second {{ line }}\n" + std::string(500, 'a');
  std::vector<Probe> all{
      {{user("Hello")}, true},
      {{user("Hello"), assistant("Hi there")}, true},
      {{user("Hello"), assistant("Hi there"), user("Who?"), assistant("Me"), user("Why?")}, true},
      {{system("Be brief."), user("Hello")}},
      {{system("Be brief."), user("Hello"), assistant("Hi there"), user("Who?"), assistant("Me")}},
      {{user(many_lines), assistant(many_lines), user(many_lines)}},
      {{user("Grüße, 你好, 🙂"), assistant("¿Qué?"), user("Ünï")}},
      {{user("")}},
      {{user("Hello"), assistant(""), user("Who?")}},
      {{system(""), user("Hello"), assistant("Hi there")}},
      {{assistant("Hi there"), user("Hello")}},
      {{user("Hello"), user("Who?"), assistant("Me"), assistant("Why?")}},
      {{user("Hello"), system("Be brief."), assistant("Hi there")}},
      {{system("Be brief."), system("Be kind."), user("Hello")}},
      {{system("Be brief.")}},
      {{assistant("Hi there")}},
  };
  Probe long_one{{system("Be brief.")}};
  for (int i = 0; i < 10; ++i) {
    long_one.messages.push_back(user(fmt::format("Is it {}?", i)));
    long_one.messages.push_back(assistant("No"));
  }
  all.push_back(std::move(long_one));
  std::vector<std::string> literals;
  for (const JinjaToken& token : tokens) {
    if (token.kind == JinjaToken::Kind::string) literals.emplace_back(trim_content(token.text));
  }
  std::ranges::sort(literals);
  literals.erase(std::unique(literals.begin(), literals.end()), literals.end());
  if (literals.size() > kMostLiterals) throw JinjaError("it has too many string literals to try each of them");
  for (const std::string& literal : literals) {
    for (const std::string& text : {literal, "a " + literal + " b"}) {
      all.push_back({{user(text), assistant(text), user(text), assistant(text)}});
      all.push_back({{system(text), user(text)}});
    }
  }
  return all;
}

Probe tool_probe() { return {{user("Hello"), assistant("Hi there"), {ChatRole::tool, "12"}, assistant("Me")}}; }

/// Returns what a template writes; nullopt if it refuses the conversation.
std::optional<std::string> rendered(const JinjaTemplate& jinja, const Probe& probe, bool opens_answer,
                                    const ModelTokens& tokens) {
  Json variables{{"messages", Json::array()}, {"add_generation_prompt", opens_answer}};
  for (const ChatMessage& message : probe.messages)
    variables["messages"].push_back({{"role", name_of(message.role)}, {"content", message.content}});
  if (!tokens.start.empty()) variables["bos_token"] = tokens.start;
  if (!tokens.end.empty()) variables["eos_token"] = tokens.end;
  try {
    return jinja.render(variables);
  } catch (const JinjaRefusal& refusal) {
    if (probe.must_render) throw JinjaError(fmt::format("it refuses a conversation: {}", printable(refusal.what())));
    return std::nullopt;
  }
}

std::string shown(const std::vector<ChatMessage>& messages) {
  std::string all;
  for (const ChatMessage& message : messages)
    all += fmt::format("{}{} \"{}\"", all.empty() ? "" : ", ", name_of(message.role), printable(message.content));
  return shortened(all, kShownColumns);
}

/// What two templates write for some conversations.
struct Comparison {
  std::size_t same = 0;    // bytes, up to the first difference
  std::string difference;  // in words; empty if there is none
};

/// A built-in template to compare a foreign one with.
class Candidate {
 public:
  Candidate(ChatTemplateKind kind, std::string_view start, const ModelTokens& tokens)
      : kind_(kind), own_(chat_jinja(kind, start, tokens.end)), tokens_(tokens) {
    if (kind == ChatTemplateKind::llama3 && tokens.start.empty()) tokens_.start = "<|begin_of_text|>";
  }

  ChatTemplateKind kind() const { return kind_; }

  /// Throws JinjaError.
  Comparison compare(const JinjaTemplate& foreign, std::span<const Probe> probes) const {
    Comparison result;
    for (const Probe& probe : probes) {
      for (const bool opens_answer : {false, true}) {
        const std::optional<std::string> found = rendered(foreign, probe, opens_answer, tokens_);
        const std::string own = *rendered(own_, probe, opens_answer, tokens_);
        if (!found) continue;
        const auto at = static_cast<std::size_t>(std::ranges::mismatch(*found, own).in1 - found->begin());
        result.same += at;
        if (*found == own) continue;
        result.difference = difference(probe, opens_answer, at, *found, own);
        return result;
      }
    }
    return result;
  }

 private:
  /// Says how two texts differ from the byte `at` on.
  std::string difference(const Probe& probe, bool opens_answer, std::size_t at, const std::string& found,
                         const std::string& own) const {
    const std::size_t begin = at - std::min(at, kShownSame);
    const auto part = [&](const std::string& text) { return shortened(printable(text.substr(begin)), kShownColumns); };
    return fmt::format("of {}{} it makes {}\"{}\", where {} has \"{}\"", shown(probe.messages),
                       opens_answer ? " and the opening of an answer" : "", begin > 0 ? "…" : "", part(found),
                       name_of(kind_), part(own));
  }

  ChatTemplateKind kind_;
  JinjaTemplate own_;
  ModelTokens tokens_;
};

bool writes_tools(const Candidate& candidate, const JinjaTemplate& foreign) {
  try {
    const Probe probe = tool_probe();
    return candidate.compare(foreign, {&probe, 1}).difference.empty();
  } catch (const JinjaError&) {  // as good as another text
    return false;
  }
}

}  // namespace

ChatRecognition recognise_chat_template(std::string_view jinja, const ModelTokens& tokens) {
  if (jinja.ends_with('\n')) jinja.remove_suffix(1);  // as Jinja itself does
  if (const std::optional<ChatTemplateKind> kind = built_in_jinja(jinja)) return {.kind = kind};
  Comparison closest;
  try {
    const JinjaTemplate foreign(jinja);
    const std::vector<Probe> all = probes(jinja_tokens(jinja));
    for (const Candidate& candidate :
         {Candidate(ChatTemplateKind::chatml, "", tokens), Candidate(ChatTemplateKind::llama3, "", tokens),
          Candidate(ChatTemplateKind::plain, "", tokens), Candidate(ChatTemplateKind::plain, tokens.start, tokens)}) {
      const Comparison comparison = candidate.compare(foreign, all);
      if (comparison.difference.empty())
        return {.kind = candidate.kind(), .writes_tools = writes_tools(candidate, foreign)};
      if (closest.difference.empty() || comparison.same > closest.same) closest = comparison;
    }
  } catch (const JinjaError& error) {
    closest.difference = error.what();
  }
  return {.obstacle = closest.difference};
}

}  // namespace kiln
