// Memory that a thread keeps for a kernel from one call to the next.
#pragma once

#include "kiln/tensor/arena.h"
#include "kiln/tensor/view.h"

#include <cstddef>

namespace kiln {

/// This thread's memory for `count` numbers, a piece of its own for each Use (any type: a tag), aligned to cache lines,
/// its contents arbitrary but initialised. It grows to the largest size ever asked for and is then used again, so that
/// only a model's first step allocates. Throws Error (usage) where there is no memory.
template <class Use, class A>
A* scratch(Index count) {
  static thread_local AlignedBlock memory;
  static thread_local Index room = 0;
  if (room < count) {
    room = 0;                 // should there be no memory
    memory = AlignedBlock();  // first: the old one is of no use
    memory = AlignedBlock(static_cast<std::size_t>(count) * sizeof(A));
    room = count;
  }
  return reinterpret_cast<A*>(memory.data());
}

}  // namespace kiln
