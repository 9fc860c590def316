// Matches texts with regular expressions.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace kiln {

/// A compiled regular expression: POSIX extended, with \w, \s and \b, in any case of ASCII letters; `.` is a byte.
/// glibc matches it by an automaton: std::regex would recurse for each character.
class Pattern {
 public:
  /// Throws Error (usage) if the text is no regular expression.
  explicit Pattern(const std::string& expression);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  /// Returns why a text is no regular expression, `"a(b" is no regular expression: ...`; nullopt if it is one.
  static std::optional<std::string> problem(const std::string& expression);

  struct Match {
    std::size_t begin = 0, end = 0;
  };

  /// Returns the first match that begins at `from` or later; nullopt if there is none.
  std::optional<Match> find(std::string_view text, std::size_t from = 0) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace kiln
