// Tells the time as files and messages write it.
#pragma once

#include <string>

namespace kiln {

/// Returns the time in UTC, such as "2026-01-31T12:00:00Z".
std::string utc_now();

}  // namespace kiln
