// Checks the config of ranks.
#include "kiln/run/distributed_config.h"

#include <bit>

namespace kiln {

void DistributedConfig::validate(Problems& problems, const std::string& pointer) const {
  if (!leaves) return;
  if (is_local()) problems.add(pointer + "/leaves", "is for ranks that share every step; set local_steps to 1");
  if (*leaves > kMostLeaves || !std::has_single_bit(static_cast<std::uint64_t>(*leaves))) {
    problems.add(pointer + "/leaves", "{} is not a power of two up to {}", *leaves, kMostLeaves);
  }
}

}  // namespace kiln
