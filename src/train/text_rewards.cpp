// Compares texts and numbers, and counts words.
#include "train/text_rewards.h"

#include "kiln/core/error.h"
#include "kiln/core/shown_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <system_error>
#include <vector>

namespace kiln {
namespace {

constexpr int kShownColumns = 60;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Returns the end of the digits that begin at `at`.
std::size_t end_of_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

/// Returns true if a minus that is a sign is before the number at `at`.
bool is_negative(std::string_view text, std::size_t at) {
  text = text.substr(0, at);
  if (text.ends_with('$')) text.remove_suffix(1);
  constexpr std::string_view kMinus = "\xE2\x88\x92";  // U+2212
  if (!text.ends_with('-') && !text.ends_with(kMinus)) return false;
  text.remove_suffix(text.ends_with('-') ? 1 : kMinus.size());
  return text.empty() || !(is_letter(text.back()) || is_digit(text.back()) || text.back() == ')' || text.back() == ']');
}

/// Reads the number at `at`, a digit or a point before one, without its sign. Moves `at` to its end.
std::string take_number(std::string_view text, std::size_t& at) {
  std::size_t end = end_of_digits(text, at);
  std::string number(text.substr(at, end - at));
  constexpr std::size_t kGroup = 3;
  if (!number.empty() && number.size() <= kGroup) {
    while (end < text.size() && text[end] == ',' && end_of_digits(text, end + 1) == end + 1 + kGroup) {
      number += text.substr(end + 1, kGroup);
      end += 1 + kGroup;
    }
  }
  if (end < text.size() && text[end] == '.') {
    const std::size_t decimals = end_of_digits(text, end + 1);
    if (decimals > end + 1) {
      number += text.substr(end, decimals - end);
      end = decimals;
    }
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    const bool has_sign = end + 1 < text.size() && (text[end + 1] == '-' || text[end + 1] == '+');
    const std::size_t digits = end + 1 + (has_sign ? 1 : 0);
    const std::size_t exponent = end_of_digits(text, digits);
    if (exponent > digits) {
      number += text.substr(end, exponent - end);
      end = exponent;
    }
  }
  at = end;
  return number;
}

/// Returns the number that such a text spells; nullopt if a double cannot hold it.
std::optional<double> value_of_number(std::string_view number) {
  double value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  return read.ec == std::errc() ? std::optional(value) : std::nullopt;
}

/// Throws an Error unless there is an expected answer.
void check_is_expected(const DrawnAnswer& answer, std::string_view name) {
  const std::string_view asked = answer.messages.empty() ? std::string_view() : answer.messages.back().content;
  check(
      !trim_content(answer.expected).empty(),
      "reward \"{}\": there is no expected answer to \"{}\"; each record of the data needs one: an assistant's message "
      "at the end of \"messages\", or \"completion\" or \"answer\" beside \"prompt\"",
      name, shortened(printable(asked), kShownColumns));
}

}  // namespace

double exact_score(const DrawnAnswer& answer, std::string_view name) {
  check_is_expected(answer, name);
  return answer.ended && trim_content(answer.text) == trim_content(answer.expected) ? 1 : 0;
}

double number_score(const DrawnAnswer& answer, double tolerance, std::string_view name) {
  check_is_expected(answer, name);
  const std::optional<double> expected = last_number(answer.expected), found = last_number(answer.text);
  check(expected.has_value(),
        "reward \"{}\": the expected answer \"{}\" has no number; give answers with one, or take the reward exact",
        name, shortened(printable(answer.expected), kShownColumns));
  if (!found) return 0;
  // Decimals are not exact in binary: 1.1 - 1 is more than 0.1.
  constexpr double kRounding = 2 * std::numeric_limits<double>::epsilon();
  const double slack = tolerance > 0 ? kRounding * std::max(std::abs(*found), std::abs(*expected)) : 0;
  return std::abs(*found - *expected) <= tolerance + slack ? 1 : 0;
}

std::optional<double> last_number(std::string_view text) {
  std::optional<double> last;
  for (std::size_t at = 0; at < text.size();) {
    const bool is_after_digit = at > 0 && is_digit(text[at - 1]);
    const bool is_point = text[at] == '.' && !is_after_digit && at + 1 < text.size() && is_digit(text[at + 1]);
    if (!is_digit(text[at]) && !is_point) {
      ++at;
      continue;
    }
    const std::string sign = is_negative(text, at) ? "-" : "";
    last = value_of_number(sign + take_number(text, at));
  }
  return last;
}

double repetition_score(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; (begin = text.find_first_not_of(kSpace, begin)) != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  constexpr std::size_t kWords = 3;
  if (words.size() < kWords) return 0;
  std::set<std::array<std::string_view, kWords>> seen;
  const std::size_t count = words.size() - kWords + 1;
  for (std::size_t i = 0; i < count; ++i) seen.insert({words[i], words[i + 1], words[i + 2]});
  return static_cast<double>(count - seen.size()) / static_cast<double>(count);
}

}  // namespace kiln
