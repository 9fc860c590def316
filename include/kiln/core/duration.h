// Parses durations such as "1h30m".
#pragma once

#include <optional>
#include <string_view>

namespace kiln {

struct Duration {
  double seconds = 0;
};

/// The syntax of a duration, as a regular expression and as examples for messages.
inline constexpr std::string_view kDurationPattern =
    R"(^(?=.)([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?$)";
inline constexpr std::string_view kDurationExamples = R"("90s", "30m" or "1h30m")";

/// Parses "90s", "30m", "1h30m", "2.5h", "1d": numbers with units, larger units first; nullopt for other text.
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace kiln
