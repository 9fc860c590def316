// Memory that a thread keeps for a kernel from one call to the next.
#pragma once

#include "kiln/tensor/view.h"

#include <vector>

namespace kiln {

/// This thread's memory for `count` numbers, a piece of its own for each Use (any type: a tag), aligned for vectors,
/// its contents arbitrary but initialised. It grows to the largest size ever asked for and is then used again, so that
/// only a model's first step allocates.
template <class Use, class A>
A* scratch(Index count) {
  static thread_local std::vector<A, Eigen::aligned_allocator<A>> memory;
  if (memory.size() < static_cast<std::size_t>(count)) memory.resize(static_cast<std::size_t>(count));
  return memory.data();
}

}  // namespace kiln
