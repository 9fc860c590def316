// Threads that outnumber the cores wait for them, and that is seen.
#include "kiln/core/contention.h"

#include "kiln/core/stopwatch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <vector>

namespace kiln {
namespace {

void spin(const std::atomic<bool>& stop) {
  while (!stop) {
  }
}

TEST(Contention, SeesThreadsThatWaitForACore) {
  const Contention contention;
  std::atomic<bool> stop = false;
  std::vector<std::thread> crowd;
  for (unsigned i = 0; i < 4 * std::thread::hardware_concurrency(); ++i) crowd.emplace_back([&] { spin(stop); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const std::optional<double> waited = contention.waited_share();
  stop = true;
  for (std::thread& thread : crowd) thread.join();
  ASSERT_TRUE(waited);
  EXPECT_GT(*waited, 0.5);  // three quarters, if nothing else is at work
  EXPECT_LE(*waited, 1.0);
}

TEST(Contention, IsAShare) {
  const Contention contention;
  const Stopwatch stopwatch;
  while (stopwatch.seconds() < 0.05) {
  }
  const std::optional<double> waited = contention.waited_share();
  ASSERT_TRUE(waited);
  EXPECT_GE(*waited, 0.0);
  EXPECT_LE(*waited, 1.0);
}

}  // namespace
}  // namespace kiln
