// Matches the names of weights against patterns.
#include "kiln/nn/lora_config.h"

#include <algorithm>
#include <fnmatch.h>

namespace kiln {

bool LoraConfig::adapts(const std::string& weight) const {
  return is_on() && std::ranges::any_of(targets, [&](const std::string& target) {
           return target == "linear" || ::fnmatch(target.c_str(), weight.c_str(), 0) == 0;
         });
}

}  // namespace kiln
