// Holds each thread's active profile.
#include "kiln/core/profile.h"

#include <cassert>

namespace kiln {

thread_local Profile* Profile::active = nullptr;

Profile::Profile() {
  assert(active == nullptr);
  active = this;
}

Profile::~Profile() { active = nullptr; }

}  // namespace kiln
