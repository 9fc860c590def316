// Configures the training of one model by several processes.
#pragma once

#include "kiln/core/fields.h"

#include <cstdint>
#include <optional>
#include <string>

namespace kiln {

struct DistributedConfig {
  static constexpr std::int64_t kMostLeaves = 1024;

  bool shard = true;
  std::optional<std::int64_t> leaves;
  std::optional<Duration> timeout = Duration{600};

  /// Adds a problem for a number of leaves that is no power of two.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("shard", shard,
      "each rank keeps the optimizer's state of its share of the weights alone, which saves memory (ZeRO stage 1, "
      "arXiv:1910.02054); false: each keeps all of it");
    v("leaves", leaves,
      "equal shares that each step is cut into, whose gradients are added in a fixed order, so that any number of ranks "
      "gives the same bytes, if they run on processors of one type; a power of two, like the number of ranks; needs "
      "train.deterministic",
      at_least(1));
    v("timeout", timeout, "how long a rank waits for the others before it ends the run", positive_up_to(1e9));
  }
};

}  // namespace kiln
