// Resolves the automatic precision on this machine.
#include "kiln/kernels/precision.h"

#include "kiln/core/processor.h"

namespace kiln {

Precision resolved(Precision precision) {
  if (precision != Precision::automatic) return precision;
  return has_bfloat16_products() ? Precision::bf16 : Precision::fp32;
}

}  // namespace kiln
