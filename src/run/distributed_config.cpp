// Checks the config of ranks.
#include "kiln/run/distributed_config.h"

#include <bit>

namespace kiln {

void DistributedConfig::validate(Problems& problems, const std::string& pointer) const {
  if (!leaves) return;
  if (*leaves > kMostLeaves || !std::has_single_bit(static_cast<std::uint64_t>(*leaves))) {
    problems.add(pointer + "/leaves", "{} is not a power of two up to {}", *leaves, kMostLeaves);
  }
}

}  // namespace kiln
