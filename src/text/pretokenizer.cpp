// Matches pieces beyond ASCII with PCRE2, and splits a text into shares for threads.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "kiln/text/pretokenizer.h"

#include "kiln/core/error.h"
#include "kiln/core/fields.h"
#include "kiln/core/utf8.h"

#include <pcre2.h>

#include "text/ascii_pieces.h"
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

namespace kiln {
namespace {

constexpr std::array<std::string_view, kSplitPatterns.size()> kRegexes{
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
    // GPT-2's pattern between digits: white space before a digit is one whole piece
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+)"};

// Unicode's White_Space, spelled out: PCRE2's \s also has U+180E.
constexpr std::string_view kSpaces =
    R"(\t-\r\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

/// Translates the pattern for PCRE2: replaces \s and \S by White_Space, inside and outside of classes.
std::string with_spaces_written_out(std::string_view regex) {
  std::string result;
  bool in_class = false;
  for (std::size_t i = 0; i < regex.size(); ++i) {
    const bool escape = regex[i] == '\\';
    if (escape && regex[i + 1] == 's') {
      result += in_class ? std::string(kSpaces) : fmt::format("[{}]", kSpaces);
    } else if (escape && regex[i + 1] == 'S') {
      result += fmt::format("[^{}]", kSpaces);
    } else {
      if (regex[i] == '[') in_class = true;
      if (regex[i] == ']') in_class = false;
      result += regex.substr(i, escape ? 2 : 1);
    }
    if (escape) ++i;
  }
  return result;
}

pcre2_code* compile(SplitPattern pattern) {
  const std::string regex = with_spaces_written_out(pattern_regex(pattern));
  int error = 0;
  PCRE2_SIZE offset = 0;
  // ANCHORED: every character begins a piece. Set here because as an option of pcre2_match it would disable JIT.
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_ANCHORED, &error, &offset, nullptr);
  if (code == nullptr) {
    fail(ExitCode::failure, "pattern {}: PCRE2 refuses it at {} (error {}); is PCRE2 built with Unicode support?",
         name_of(pattern), offset, error);
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without JIT (rare CPUs), PCRE2 interprets: slower, same result
  return code;
}

/// Returns the compiled pattern; compiles all once, for the life of the process.
const pcre2_code* compiled(SplitPattern pattern) {
  static const std::array<const pcre2_code*, kSplitPatterns.size()> codes{
      compile(SplitPattern::gpt2), compile(SplitPattern::cl100k), compile(SplitPattern::gpt2_digits)};
  return codes[static_cast<std::size_t>(pattern)];
}

// White_Space characters beyond ASCII.
constexpr std::array<std::string_view, 19> kWideSpaces{
    "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83",
    "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",
    "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};

bool is_ascii(char byte) { return static_cast<unsigned char>(byte) < 0x80; }

/// Returns whether the text's last character is not white space; false if uncertain.
bool ends_in_black(std::string_view text) {
  if (text.empty() || is_ascii(text.back())) return !text.empty() && text.back() > ' ';
  return std::ranges::none_of(kWideSpaces, [&](std::string_view space) { return text.ends_with(space); });
}

/// Returns whether the text's first character is not white space; false if uncertain.
bool begins_in_black(std::string_view text) {
  if (text.empty() || is_ascii(text.front())) return !text.empty() && text.front() > ' ';
  return std::ranges::none_of(kWideSpaces, [&](std::string_view space) { return text.starts_with(space); });
}

/// Returns whether a piece ends at `at`, inside the text, under every pattern, and each side alone has the same pieces.
/// No piece has white space after other characters, except cl100k's newlines after signs; and a single line feed ends a
/// piece, since no following word includes it.
bool is_certain_cut(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  if (text[at] == ' ') return ends_in_black(before);
  if (text[at - 1] == '\n') return ends_in_black(before.substr(0, at - 1)) && begins_in_black(text.substr(at));
  if (text[at] != '\n') return false;
  const char last = text[at - 1];
  return (last >= '0' && last <= '9') || (last >= 'a' && last <= 'z') || (last >= 'A' && last <= 'Z');
}

}  // namespace

std::string_view pattern_regex(SplitPattern pattern) { return kRegexes[static_cast<std::size_t>(pattern)]; }

struct PieceReader::Matcher {
  explicit Matcher(const pcre2_code* pattern) : code(pattern) {}
  ~Matcher() { pcre2_match_data_free(data); }
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  const pcre2_code* code;
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
};

PieceReader::PieceReader(SplitPattern pattern, std::string_view text)
    : pattern_(pattern), text_(text), valid_end_(utf8_valid_until(text)) {}

PieceReader::~PieceReader() = default;

std::string_view PieceReader::next() {
  if (at_ == text_.size()) return {};
  const std::size_t begin = at_;
  if (at_ == valid_end_) {  // an invalid byte, alone
    valid_end_ = utf8_valid_until(text_, ++at_);
  } else {
    const std::size_t length = ascii_piece(pattern_, text_.substr(at_, valid_end_ - at_));
    at_ += length > 0 ? length : match_pattern();
  }
  return text_.substr(begin, at_ - begin);
}

std::size_t PieceReader::read(std::span<std::string_view> pieces) {
  std::size_t count = 0;
  while (count < pieces.size() && !(pieces[count] = next()).empty()) ++count;
  return count;
}

/// Returns the length of the piece at at_, by the regular expression. PCRE2's subject ends with the well-formed text,
/// so that invalid bytes end words and UTF-8 is validated only once.
std::size_t PieceReader::match_pattern() {
  if (!matcher_) matcher_ = std::make_unique<Matcher>(compiled(pattern_));
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text_.data() + at_);
  const int count =
      pcre2_match(matcher_->code, subject, valid_end_ - at_, 0, PCRE2_NO_UTF_CHECK, matcher_->data, nullptr);
  const std::size_t length = count > 0 ? pcre2_get_ovector_pointer(matcher_->data)[1] : 0;
  if (length == 0) {
    fail(ExitCode::failure, "PCRE2 found no piece at byte {} of the text (code {}); please report the text", at_,
         count);
  }
  return length;
}

std::vector<std::string_view> split_pieces(SplitPattern pattern, std::string_view text) {
  std::vector<std::string_view> pieces;
  PieceReader reader(pattern, text);
  for (std::string_view piece = reader.next(); !piece.empty(); piece = reader.next()) pieces.push_back(piece);
  return pieces;
}

std::vector<std::string_view> split_shares(std::string_view text, std::size_t share_bytes) {
  std::vector<std::string_view> shares;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = std::min(text.size() - begin, std::max<std::size_t>(share_bytes, 1)) + begin;
    while (end < text.size() && !is_certain_cut(text, end)) ++end;
    shares.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return shares;
}

}  // namespace kiln
