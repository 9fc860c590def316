// Formats numbers for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kiln {

/// Separates thousands by commas: "1,003,854", "12,345.67".
std::string grouped(double value, int decimals = 0);

/// Formats a count with grouped().
std::string format_count(std::int64_t count);

/// Formats a count and a noun, which is given in the singular: "1 token", "2,000 tokens", "3 entries".
std::string counted(std::int64_t count, std::string_view noun);

/// Formats a number with `digits` significant digits, but never with fewer than stand before its point: "0.35", "220".
std::string approximate(double value, int digits = 2);

/// Formats a number with approximate() and a noun, as counted() does: "0.35 passes", "1 pass", "1,234 passes".
std::string counted_about(double value, std::string_view noun);

/// Formats with a fixed number of decimals, or as "NaN", "infinity" or "-infinity".
std::string fixed(double value, int decimals);

/// Formats with up to `digits` significant digits, or as "NaN", "infinity" or "-infinity".
std::string significant(double value, int digits);

/// Formats a number of bytes: "512 B", "1.50 MB", "2.61 GB" (powers of ten).
std::string format_bytes(double bytes);

/// Formats a duration: "850 ms", "1.5 s", "42 s", "3 min 20 s", "5 h 12 min", "19 days 5 h".
std::string format_duration(double seconds);

}  // namespace kiln
