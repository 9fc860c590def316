// A length of time as people write it.
#pragma once

#include <optional>
#include <string_view>

namespace kiln {

struct Duration {
  double seconds = 0;
};

/// How a duration is written, as a regular expression and for messages.
inline constexpr std::string_view kDurationPattern =
    R"(^(?=.)([0-9]+(\.[0-9]+)?d)?([0-9]+(\.[0-9]+)?h)?([0-9]+(\.[0-9]+)?m)?([0-9]+(\.[0-9]+)?s)?$)";
inline constexpr std::string_view kDurationExamples = R"("90s", "30m" or "1h30m")";

/// "90s", "30m", "1h30m", "2.5h", "1d": numbers with their units, the larger unit first; nothing for any other text.
std::optional<Duration> parse_duration(std::string_view text);

}  // namespace kiln
