// Recognises a foreign Jinja template by the names that it uses and by the text that it can write, without running it.
#include "kiln/core/shown_text.h"
#include "kiln/text/chat_template.h"

#include <fmt/format.h>

#include "text/chat_jinja.h"
#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace kiln {
namespace {

// Names of a loop that writes each message in the same way, and of the opening of an answer after it. The loop may call
// a message as it likes.
constexpr std::array<std::string_view, 22> kLoopNames{
    "for",     "in",    "endfor", "if",        "endif",      "set",          "not",           "is",
    "defined", "false", "role",   "content",   "messages",   "loop",         "loop_messages", "trim",
    "strip",   "first", "index0", "bos_token", "generation", "endgeneration"};
constexpr std::string_view kGenerationPrompt = "add_generation_prompt";
constexpr int kShownColumns = 70;  // of a part of a template, in messages
constexpr std::string_view kJinjaSpace = " \t\r\n";

/// What a template says, in the order of its source.
struct Skeleton {
  std::string text;                // what it can write around roles and contents; without <|begin_of_text|>
  std::vector<std::string> names;  // in tags
  bool begins = false;             // writes <|begin_of_text|> or bos_token
  bool begins_in_loop = false;     // and does so after the loop's beginning
  bool opens_on_request = false;   // writes "assistant" directly after "if add_generation_prompt"

  bool has(std::string_view name) const { return std::ranges::find(names, name) != names.end(); }

  void begin() {
    begins = true;
    begins_in_loop |= has("for");
  }
};

/// Reads a template's tags and the text between them.
class JinjaSkeleton {
 public:
  explicit JinjaSkeleton(std::string_view jinja) : rest_(jinja) {}

  /// Returns nullopt if the template has a part that a loop over messages does not need; obstacle() names it.
  std::optional<Skeleton> read() {
    while (!rest_.empty()) {
      read_text();
      if (!rest_.empty() && !read_tag()) return std::nullopt;
    }
    return std::move(skeleton_);
  }

  /// Returns the first part that is not understood, and the tag that it is in.
  std::string obstacle() const {
    const std::size_t end = std::min(tag_.find('}'), tag_.size());
    const std::string tag = shortened(printable(tag_.substr(0, end + (tag_[1] == '{' ? 2 : 1))), kShownColumns);
    return unknown_.empty() ? fmt::format("the tag {} is not understood", tag)
                            : fmt::format("{} in {} is not understood", printable(unknown_), tag);
  }

 private:
  /// Reads up to the next tag. transformers drops the line end after a block (trim_blocks) and the blanks before one
  /// (lstrip_blocks); a "-" drops all white space on its side.
  void read_text() {
    std::size_t end = 0;
    while (end < rest_.size() && (rest_[end] != '{' || end + 1 == rest_.size() ||
                                  std::string_view("{%#").find(rest_[end + 1]) == std::string_view::npos)) {
      ++end;
    }
    std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end);
    if (drops_space_) {
      text.remove_prefix(std::min(text.find_first_not_of(kJinjaSpace), text.size()));
    } else if (after_block_ && text.starts_with('\n')) {
      text.remove_prefix(1);
    }
    if (rest_.size() > 2 && rest_[2] == '-') {
      text = text.substr(0, text.find_last_not_of(kJinjaSpace) + 1);
    } else if (rest_.size() > 1 && rest_[1] != '{') {
      const std::size_t last = text.find_last_not_of(" \t");
      if (last == std::string_view::npos || text[last] == '\n') text = text.substr(0, last + 1);
    }
    add_text(text);
  }

  bool read_tag() {
    tag_ = rest_;
    const char kind = rest_[1];
    const std::string_view close = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    rest_.remove_prefix(2);
    if (rest_.starts_with('+')) return false;  // switches lstrip_blocks off
    if (rest_.starts_with('-')) rest_.remove_prefix(1);
    after_block_ = kind != '{';
    if (kind == '#') {
      const std::size_t end = rest_.find(close);
      if (end == std::string_view::npos) return false;
      drops_space_ = end > 0 && rest_[end - 1] == '-';
      rest_.remove_prefix(end + 2);
      return true;
    }
    before_ = '\0';
    is_content_ = sets_content_ = false;
    for (;;) {
      rest_.remove_prefix(std::min(rest_.find_first_not_of(kJinjaSpace), rest_.size()));
      drops_space_ = rest_.starts_with('-');
      const std::string_view here = rest_.substr(drops_space_ ? 1 : 0);
      if (here.starts_with(close)) {
        rest_ = here.substr(2);
        return true;
      }
      if (drops_space_ || rest_.empty() || rest_.starts_with("+%}") || !read_part()) return false;
    }
  }

  /// Reads a name, a string, the number 0, or a sign.
  bool read_part() {
    const char first = rest_.front();
    const std::string_view part = rest_;
    if (std::string_view("]|.").find(first) == std::string_view::npos) was_content_ = std::exchange(is_content_, false);
    const bool is_known = first == '\'' || first == '"'                                          ? read_string(first)
                          : std::isalpha(static_cast<unsigned char>(first)) != 0 || first == '_' ? read_name()
                                                                                                 : read_sign(first);
    before_ = first;
    if (!is_known && rest_.size() < part.size()) unknown_ = part.substr(0, part.size() - rest_.size());
    return is_known;
  }

  bool read_string(char quote) {
    std::string text;
    std::size_t at = 1;
    for (; at < rest_.size() && rest_[at] != quote; ++at) {
      if (rest_[at] != '\\') {
        text += rest_[at];
        continue;
      }
      if (++at == rest_.size()) return false;
      const char escaped = rest_[at];
      if (escaped != 'n' && escaped != '\\' && escaped != '\'' && escaped != '"') return false;
      text += escaped == 'n' ? '\n' : escaped;
    }
    if (at >= rest_.size()) return false;
    rest_.remove_prefix(at + 1);
    if (before_ != '[') {
      add_text(text);
      return true;
    }
    skeleton_.names.push_back(text);
    is_content_ = text == "content";
    return text == "role" || is_content_;
  }

  bool read_name() {
    const auto is_of_name = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
    const auto end = static_cast<std::size_t>(std::ranges::find_if_not(rest_, is_of_name) - rest_.begin());
    const std::string_view name = rest_.substr(0, end);
    const std::string before = skeleton_.names.empty() ? "" : skeleton_.names.back();
    const bool is_negated = before == "not", follows_if = before == "if";
    rest_.remove_prefix(end);
    skeleton_.names.emplace_back(name);
    if (before == "for" && loop_name_.empty()) loop_name_ = name;
    if (before == "set" && name == "content") sets_content_ = true;
    if (name == "trim" || name == "strip") return was_content_;  // what else it removes is not known
    is_content_ = name == "content" && (before_ == '.' || !content_has_text_);
    if (name == "bos_token") skeleton_.begin();
    if (name == kGenerationPrompt) return true;
    if (is_negated || (follows_if && name != "loop" && name != "not")) return false;
    return name == loop_name_ || std::ranges::find(kLoopNames, name) != kLoopNames.end();
  }

  bool read_sign(char sign) {
    rest_.remove_prefix(1);
    if (sign == '[') return rest_.starts_with('\'') || rest_.starts_with('"');
    if (sign == '0') return rest_.empty() || std::isdigit(static_cast<unsigned char>(rest_.front())) == 0;
    return std::string_view("]().|=+~").find(sign) != std::string_view::npos;
  }

  void add_text(std::string_view text) {
    constexpr std::string_view kBegin = "<|begin_of_text|>";
    const std::size_t at = text.find(kBegin);
    skeleton_.text += text.substr(0, at);
    content_has_text_ |= sets_content_ && !text.empty();
    if (text.find("assistant") != std::string_view::npos) skeleton_.opens_on_request = follows_request();
    if (at == std::string_view::npos) return;
    skeleton_.begin();
    add_text(text.substr(at + kBegin.size()));
  }

  bool follows_request() const {
    const std::vector<std::string>& names = skeleton_.names;
    return names.size() > 1 && names.back() == kGenerationPrompt && names[names.size() - 2] == "if";
  }

  std::string_view rest_;
  bool drops_space_ = false, after_block_ = false;
  char before_ = '\0';              // the first character of the part before, within a tag
  bool is_content_ = false;         // the parts before are a message's content
  bool was_content_ = false;        // and were so before this part
  bool sets_content_ = false;       // in a tag "set content"
  bool content_has_text_ = false;   // that variable holds other text too
  std::string_view loop_name_;      // what the loop calls a message
  std::string_view tag_, unknown_;  // the tag and what follows; the part that is not understood
  Skeleton skeleton_;
};

}  // namespace

ChatRecognition recognise_chat_template(std::string_view jinja) {
  if (jinja.ends_with('\n')) jinja.remove_suffix(1);  // as Jinja itself does
  if (const std::optional<ChatTemplateKind> kind = built_in_jinja(jinja)) return {kind, ""};
  JinjaSkeleton reader(jinja);
  const std::optional<Skeleton> skeleton = reader.read();
  if (!skeleton) return {std::nullopt, reader.obstacle()};
  const auto loops = std::ranges::count(skeleton->names, "for");
  if (loops != 1) return {std::nullopt, loops == 0 ? "it has no loop over messages" : "it has more than one loop"};
  for (const char* name : {"role", "content"}) {
    if (!skeleton->has(name)) return {std::nullopt, fmt::format("it does not write the {} of a message", name)};
  }
  if (!skeleton->opens_on_request) {
    return {std::nullopt, fmt::format("{{% if {} %}} does not open an answer", kGenerationPrompt)};
  }
  constexpr std::string_view kChatml = "<|im_start|>\n<|im_end|>\n<|im_start|>assistant\n";
  constexpr std::string_view kLlama3 =
      "<|start_header_id|><|end_header_id|>\n\n<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
  const bool tells_first = skeleton->has("first") || skeleton->has("index0");
  if (skeleton->text == kChatml && !skeleton->begins && !tells_first) return {ChatTemplateKind::chatml, ""};
  if (skeleton->text == kLlama3 && skeleton->begins && skeleton->begins_in_loop == tells_first) {
    return {ChatTemplateKind::llama3, ""};
  }
  return {std::nullopt,
          fmt::format("around a role and a content it writes {}\"{}\"", skeleton->begins ? "the start token and " : "",
                      shortened(printable(skeleton->text), kShownColumns))};
}

}  // namespace kiln
