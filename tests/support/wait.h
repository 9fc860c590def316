// Waiting for what another process or thread brings about, but not for ever.
#pragma once

#include <chrono>
#include <thread>

namespace kiln::testing {

/// Waits until `condition()` holds; false where a minute passes without it.
template <class Condition>
bool wait_until(Condition&& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace kiln::testing
