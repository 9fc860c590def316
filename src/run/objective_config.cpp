// Checks which settings go together.
#include "kiln/run/objective_config.h"

namespace kiln {

void ObjectiveConfig::validate(Problems& problems, const std::string& pointer) const {
  const std::string_view name = kObjectiveKinds[static_cast<std::size_t>(type)];
  if (reference && !has_reference(type)) {
    problems.add(pointer + "/reference", "is for dpo, ipo and policy gradients; objective.type is {}", name);
  }
  if (beta != ObjectiveConfig().beta && !has_reference(type)) {
    problems.add(pointer + "/beta", "is for dpo, ipo and policy gradients; objective.type is {}", name);
  }
  const bool prefers = type == ObjectiveKind::dpo || type == ObjectiveKind::ipo;
  if (beta == 0 && prefers) problems.add(pointer + "/beta", "is 0; it must be more than 0");
  if (nll_weight > 0 && !prefers) {
    problems.add(pointer + "/nll_weight", "is for dpo and ipo; objective.type is {}", name);
  }
  if (label_smoothing > 0 && type != ObjectiveKind::dpo && type != ObjectiveKind::reward) {
    problems.add(pointer + "/label_smoothing", "is for dpo and reward; objective.type is {}", name);
  }
  if (ranking != Ranking::plackett_luce) return;
  if (type == ObjectiveKind::ipo) problems.add(pointer + "/ranking", "ipo compares pairs alone");
  if (label_smoothing > 0) problems.add(pointer + "/label_smoothing", "is for pairs (objective.ranking)");
}

}  // namespace kiln
