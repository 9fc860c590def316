// What tokens are to everyone else: numbers.
#pragma once

#include <cstdint>

namespace kiln {

using TokenId = std::int32_t;

}  // namespace kiln
