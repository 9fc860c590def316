// Provides per-thread workspace that kernels keep between calls.
#pragma once

#include "kiln/tensor/arena.h"
#include "kiln/tensor/view.h"

#include <cstddef>

namespace kiln {

/// Returns this thread's workspace for `count` numbers, aligned to cache lines; its contents are arbitrary but
/// initialised. Each Use (any type, as a tag) has its own. Grows to the largest request and is then reused, so that
/// only a model's first step allocates. Throws Error (usage) if the allocation fails.
template <class Use, class A>
A* scratch(Index count) {
  static thread_local AlignedBlock memory;
  static thread_local Index room = 0;
  if (room < count) {
    room = 0;                 // in case the allocation throws
    memory = AlignedBlock();  // frees the old block first
    memory = AlignedBlock(static_cast<std::size_t>(count) * sizeof(A));
    room = count;
  }
  return reinterpret_cast<A*>(memory.data());
}

}  // namespace kiln
