// Parses a sequence of numbers and units.
#include "kiln/core/duration.h"

#include <array>
#include <charconv>
#include <utility>

namespace kiln {

std::optional<Duration> parse_duration(std::string_view text) {
  constexpr std::array<std::pair<char, double>, 4> kUnits{{{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};
  if (text.empty()) return std::nullopt;
  Duration duration;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (const auto& [unit, seconds] : kUnits) {
    double count = 0;
    const auto number = std::from_chars(at, end, count, std::chars_format::fixed);
    const bool begins_with_digit = at != end && *at >= '0' && *at <= '9';  // no sign, no "inf"
    if (!begins_with_digit || number.ec != std::errc() || number.ptr == end || *number.ptr != unit) continue;
    duration.seconds += count * seconds;
    at = number.ptr + 1;
  }
  if (at != end) return std::nullopt;
  return duration;
}

}  // namespace kiln
