// Validates the optimizer's settings.
#include "kiln/optim/optimizer_config.h"

namespace kiln {

void OptimizerConfig::validate(Problems& problems, const std::string& pointer) const {
  if (nesterov && momentum == 0 && !problems.has(pointer)) {
    problems.add(child_pointer(pointer, "nesterov"),
                 "looks ahead along the momentum, which is 0; set momentum, as in 0.9");
  }
}

}  // namespace kiln
