// Loops over threads: every element once, whatever the number of threads.
#include "kiln/core/threads.h"

#include "kiln/core/stopwatch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace kiln {
namespace {

class Threads : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_threads(GetParam()); }
  void TearDown() override { set_threads(0); }
};

TEST_P(Threads, ForCoversEachElementOnce) {
  for (std::int64_t count : {0, 1, 2, 7, 1000}) {
    for (std::int64_t grain : {1, 3, 5000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
      parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
      });
      for (const auto& visit : visits) EXPECT_EQ(visit, 1) << count << " elements, grain " << grain;
    }
  }
}

TEST_P(Threads, EachCoversEachElementOnce) {
  std::vector<std::atomic<int>> visits(1000);
  parallel_each(1000, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
  for (const auto& visit : visits) EXPECT_EQ(visit, 1);
}

TEST_P(Threads, EachHelpsAThreadThatIsHeldUp) {
  if (GetParam() == 1) GTEST_SKIP() << "needs two threads";
  constexpr int kCount = 100;
  std::atomic<int> done{0};
  bool were_all_done = false;
  parallel_each(kCount, [&](std::int64_t i) {
    if (i > 0) {
      ++done;
      return;
    }
    const Stopwatch stopwatch;
    while (done < kCount - 1 && stopwatch.seconds() < 30) std::this_thread::yield();
    were_all_done = done == kCount - 1;
  });
  EXPECT_TRUE(were_all_done);
}

TEST_P(Threads, ALoopWithinALoopRunsOnItsOwnThread) {
  std::atomic<int> inner{0};
  parallel_each(8, [&](std::int64_t) {
    parallel_for(10, 1, [&](std::int64_t begin, std::int64_t end) { inner += static_cast<int>(end - begin); });
  });
  EXPECT_EQ(inner, 80);
}

TEST_P(Threads, StayWhenALoopHasTooFewSharesForThem) {
  struct Counted {
    explicit Counted(std::atomic<int>& ended) : ended(ended) {}
    ~Counted() { ++ended; }
    std::atomic<int>& ended;
  };
  static std::atomic<int> ended{0};
  const int ended_before = ended;
  for (int round = 0; round < 5; ++round) {
    for (const std::int64_t shares : {GetParam(), 2}) {
      parallel_for(shares, 1, [](std::int64_t, std::int64_t) { thread_local const Counted counted(ended); });
    }
  }
  EXPECT_EQ(ended, ended_before);
}

INSTANTIATE_TEST_SUITE_P(Counts, Threads, ::testing::Values(1, 2, 3, 8));

TEST(ThreadCount, IsWhatWasSetAndNoughtMeansEveryCore) {
  set_threads(3);
  EXPECT_EQ(threads(), 3);
  set_threads(0);
  EXPECT_EQ(threads(), omp_get_num_procs());
}

}  // namespace
}  // namespace kiln
