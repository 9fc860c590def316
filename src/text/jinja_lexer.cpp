// Reads tags character by character; the text between them loses white space by the signs of its neighbours.
#include "text/jinja_lexer.h"

#include "kiln/core/shown_text.h"
#include "kiln/core/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

namespace kiln {
namespace {

constexpr std::string_view kSpace = " \t\n\v\f\r";
constexpr int kTagColumns = 40;
constexpr std::array<std::string_view, 6> kLongSigns{"**", "//", "==", "!=", "<=", ">="};
constexpr std::string_view kSigns = "+-*/%~|.,:()[]{}=<>";

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_of_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Returns the source with Jinja's line ends, and without the last.
std::string with_line_feeds(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && source.substr(i + 1).starts_with('\n')) continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

class JinjaLexer {
 public:
  explicit JinjaLexer(std::string_view source) : rest_(source) {}

  std::vector<JinjaToken> read() {
    while (!rest_.empty()) {
      read_text();
      if (!rest_.empty()) read_tag();
    }
    add(JinjaToken::Kind::end_of_file, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw JinjaError(fmt::format("{} in {}", what, shortened(printable(tag_), kTagColumns)));
  }

  void add(JinjaToken::Kind kind, std::string_view text) { tokens_.push_back({kind, std::string(text)}); }

  void read_text() {
    std::size_t end = rest_.find('{');
    while (end < rest_.size() && (end + 1 == rest_.size() || std::string_view("{%#").find(rest_[end + 1]) > 2)) {
      end = rest_.find('{', end + 1);
    }
    std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(text.size());
    const char kind = rest_.size() > 1 ? rest_[1] : '{', sign = rest_.size() > 2 ? rest_[2] : ' ';
    if (!rest_.empty() && sign == '-') {
      text = text.substr(0, text.find_last_not_of(kSpace) + 1);
    } else if (kind != '{' && sign != '+') {
      const std::size_t line = text.rfind('\n') + 1;  // 0 if there is no line feed
      const bool begins_line = line > 0 || begins_line_;
      if (begins_line && text.find_first_not_of(kSpace, line) == std::string_view::npos) text = text.substr(0, line);
    }
    if (!text.empty()) add(JinjaToken::Kind::text, text);
  }

  void read_tag() {
    tag_ = rest_;
    const char kind = rest_[1];
    const std::string_view close = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    rest_.remove_prefix(2);
    if (kind == '#') {
      const std::size_t end = rest_.find(close);
      if (end == std::string_view::npos) fail("a comment without end");
      rest_.remove_prefix(end > 0 && (rest_[end - 1] == '-' || rest_[end - 1] == '+') ? end - 1 : end);
      skip_close(kind);
      return;
    }
    if (rest_.starts_with('-') || rest_.starts_with('+')) rest_.remove_prefix(1);
    add(kind == '{' ? JinjaToken::Kind::print : JinjaToken::Kind::block, "");
    int open_brackets = 0;
    for (;;) {
      rest_.remove_prefix(std::min(rest_.find_first_not_of(kSpace), rest_.size()));
      if (rest_.empty()) fail("a tag without end");
      const bool has_sign = rest_.front() == '-' || rest_.front() == '+';
      if (open_brackets == 0 && rest_.substr(has_sign ? 1 : 0).starts_with(close)) break;
      read_token(open_brackets);
    }
    add(JinjaToken::Kind::close, "");
    skip_close(kind);
  }

  /// Skips the end of a tag, and the white space that goes with it.
  void skip_close(char kind) {
    const char sign = rest_.front();
    rest_.remove_prefix(sign == '-' || sign == '+' ? 3 : 2);
    std::size_t skipped = 0;
    if (sign == '-') {
      skipped = std::min(rest_.find_first_not_of(kSpace), rest_.size());
    } else if (kind != '{' && sign != '+' && rest_.starts_with('\n')) {
      skipped = 1;
    }
    begins_line_ = skipped > 0 && rest_[skipped - 1] == '\n';
    rest_.remove_prefix(skipped);
  }

  void read_token(int& open_brackets) {
    const char first = rest_.front();
    if (first == '\'' || first == '"') {
      add(JinjaToken::Kind::string, read_string(first));
    } else if (is_digit(first)) {
      take(JinjaToken::Kind::number,
           static_cast<std::size_t>(std::ranges::find_if_not(rest_, is_digit) - rest_.begin()));
    } else if (is_of_name(first)) {
      take(JinjaToken::Kind::name,
           static_cast<std::size_t>(std::ranges::find_if_not(rest_, is_of_name) - rest_.begin()));
    } else if (std::ranges::find(kLongSigns, rest_.substr(0, 2)) != kLongSigns.end()) {
      take(JinjaToken::Kind::sign, 2);
    } else if (kSigns.find(first) != std::string_view::npos) {
      if (first == '(' || first == '[' || first == '{') ++open_brackets;
      if (first == ')' || first == ']' || first == '}') --open_brackets;
      take(JinjaToken::Kind::sign, 1);
    } else {
      fail(fmt::format("an unknown sign {}",
                       printable(rest_.substr(0, std::max(utf8_length(rest_, 0), std::size_t{1})))));
    }
  }

  void take(JinjaToken::Kind kind, std::size_t length) {
    add(kind, rest_.substr(0, length));
    rest_.remove_prefix(length);
  }

  /// Reads a literal with the escapes of Python that templates use.
  std::string read_string(char quote) {
    std::string text;
    for (std::size_t at = 1; at < rest_.size(); ++at) {
      if (rest_[at] == quote) {
        rest_.remove_prefix(at + 1);
        return text;
      }
      if (rest_[at] != '\\') {
        text += rest_[at];
        continue;
      }
      constexpr std::string_view kEscapes = "nrt\\'\"", kMeanings = "\n\r\t\\'\"";
      const std::string_view escaped = rest_.substr(++at);
      const std::size_t which = escaped.empty() ? std::string_view::npos : kEscapes.find(escaped.front());
      if (which != std::string_view::npos) {
        text += kMeanings[which];
      } else {
        text += read_code_point(escaped);
        at += escaped.front() == 'x' ? 2 : 4;
      }
    }
    fail("a string without end");
  }

  /// Reads the digits of \xXX or \uXXXX.
  std::string read_code_point(std::string_view escaped) const {
    const std::size_t digits = escaped.starts_with('x') ? 2 : 4;
    unsigned code_point = 0;
    if (!escaped.starts_with('x') && !escaped.starts_with('u')) fail("an unknown escape");
    if (escaped.size() <= digits) fail("an escape without end");
    const char* end = escaped.data() + 1 + digits;
    if (std::from_chars(escaped.data() + 1, end, code_point, 16).ptr != end) fail("an escape without digits");
    if (code_point >= 0xD800 && code_point < 0xE000) fail("half a character");
    return utf8_encode(code_point);
  }

  std::string_view rest_, tag_;
  bool begins_line_ = true;
  std::vector<JinjaToken> tokens_;
};

}  // namespace

std::vector<JinjaToken> jinja_tokens(std::string_view source) { return JinjaLexer(with_line_feeds(source)).read(); }

}  // namespace kiln
