// Defaults and checks of the settings of a run.
#include "kiln/run/train_config.h"

#include "kiln/core/processor.h"

namespace kiln {

Precision resolved(Precision precision) {
  if (precision != Precision::automatic) return precision;
  return has_bfloat16_products() ? Precision::bf16 : Precision::fp32;
}

void TrainConfig::resolve() {
  if (!steps && !epochs) steps = kDefaultSteps;
}

void TrainConfig::validate(Problems& problems, const std::string& pointer) const {
  if (steps && epochs) {
    problems.add(child_pointer(pointer, "epochs"), "steps = {} and epochs = {} are both given; set one of them to null",
                 *steps, *epochs);
  }
  if (batch_size.all && gradient_accumulation != 1) {
    problems.add(child_pointer(pointer, "gradient_accumulation"),
                 "{} micro-batches of batch_size \"all\" would be the same one each time; 1 is expected",
                 gradient_accumulation);
  }
  if (early_stopping && eval_every == 0) {
    problems.add(child_pointer(pointer, "early_stopping"), "counts evaluations, of which eval_every = 0 makes none");
  }
}

}  // namespace kiln
