// Compiles and matches by regex.h.
#include "kiln/core/pattern.h"

#include "kiln/core/error.h"

#include <array>
#include <regex.h>

namespace kiln {

struct Pattern::Compiled {
  explicit Compiled(const std::string& expression)
      : error(::regcomp(&value, expression.c_str(), REG_EXTENDED | REG_ICASE)) {}
  ~Compiled() {
    if (error == 0) ::regfree(&value);
  }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  regex_t value{};
  int error;
};

Pattern::Pattern(const std::string& expression) {
  if (const std::optional<std::string> reason = problem(expression)) fail(ExitCode::usage, "{}", *reason);
  compiled_ = std::make_unique<Compiled>(expression);
}

Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

std::optional<std::string> Pattern::problem(const std::string& expression) {
  std::array<char, 200> reason{"holds the character NUL"};
  if (expression.find('\0') == std::string::npos) {
    const Compiled compiled(expression);
    if (compiled.error == 0) return std::nullopt;
    ::regerror(compiled.error, &compiled.value, reason.data(), reason.size());
  }
  return fmt::format("\"{}\" is no regular expression: {}", expression, reason.data());
}

std::optional<Pattern::Match> Pattern::find(std::string_view text, std::size_t from) const {
  if (from > text.size()) return std::nullopt;
  regmatch_t match{.rm_so = static_cast<regoff_t>(from), .rm_eo = static_cast<regoff_t>(text.size())};
  const char* data = text.empty() ? "" : text.data();
  if (::regexec(&compiled_->value, data, 1, &match, REG_STARTEND) != 0) return std::nullopt;
  return Match{static_cast<std::size_t>(match.rm_so), static_cast<std::size_t>(match.rm_eo)};
}

}  // namespace kiln
