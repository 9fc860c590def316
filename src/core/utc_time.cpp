// Formats the system's clock.
#include "kiln/core/utc_time.h"

#include <fmt/chrono.h>

#include <ctime>

namespace kiln {

std::string utc_now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace kiln
