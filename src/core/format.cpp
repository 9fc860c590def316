// Formats numbers with separators and units.
#include "kiln/core/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace kiln {
namespace {

const char* not_finite(double value) { return std::isnan(value) ? "NaN" : value > 0 ? "infinity" : "-infinity"; }

/// Adds a noun, given in the singular, to a formatted number.
std::string with_noun(const std::string& number, std::string_view noun) {
  const auto ends_in = [&](std::string_view end) { return noun.ends_with(end); };
  std::string text = fmt::format("{} {}", number, noun);
  if (number == "1") return text;
  if (ends_in("y") && !ends_in("ay") && !ends_in("ey")) {
    text.pop_back();
    return text + "ies";
  }
  return text + (ends_in("s") || ends_in("x") || ends_in("ch") ? "es" : "s");
}

}  // namespace

std::string grouped(double value, int decimals) {
  const std::string digits = fmt::format("{:.{}f}", value, decimals);
  const std::size_t end = std::min(digits.find('.'), digits.size());
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const bool between_digits = i > 0 && digits[i - 1] != '-';
    if (i < end && between_digits && (end - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string format_count(std::int64_t count) { return grouped(static_cast<double>(count)); }

std::string counted(std::int64_t count, std::string_view noun) { return with_noun(format_count(count), noun); }

std::string approximate(double value, int digits) {
  return std::isfinite(value) && std::abs(value) >= std::pow(10, digits) ? grouped(value) : significant(value, digits);
}

std::string counted_about(double value, std::string_view noun) { return with_noun(approximate(value), noun); }

std::string fixed(double value, int decimals) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, decimals) : not_finite(value);
}

std::string significant(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}g}", value, digits) : not_finite(value);
}

std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.2f} {}", bytes, kUnits[unit]);
}

std::string format_duration(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 9.95) return fmt::format("{:.2g} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  if (whole < 48 * 3600) return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} days {} h", whole / 86400, whole % 86400 / 3600);
}

}  // namespace kiln
