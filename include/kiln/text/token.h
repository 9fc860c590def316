// Defines the type of token ids.
#pragma once

#include <cstdint>

namespace kiln {

using TokenId = std::int32_t;

}  // namespace kiln
