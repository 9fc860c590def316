// Numbers for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kiln {

/// Thousands set apart by commas: "1,003,854", "12,345.67".
std::string grouped(double value, int decimals = 0);

/// The same for a count.
std::string format_count(std::int64_t count);

/// A count of things, the noun given in the singular: "1 token", "2,000 tokens", "3 entries".
std::string counted(std::int64_t count, std::string_view noun);

/// A measurement with so many decimals, or "NaN", "infinity", "-infinity".
std::string fixed(double value, int decimals);

/// The same with so many significant digits.
std::string significant(double value, int digits);

/// A number of bytes: "512 B", "1.50 MB", "2.61 GB" (powers of ten).
std::string format_bytes(double bytes);

/// A duration: "850 ms", "1.5 s", "42 s", "3 min 20 s", "5 h 12 min", "19 days 5 h".
std::string format_duration(double seconds);

}  // namespace kiln
