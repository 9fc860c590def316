// Loops over threads: every element once, whatever the number of threads.
#include "kiln/core/threads.h"

#include "kiln/core/stopwatch.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
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

TEST_P(Threads, StayFromLoopToLoop) {
  static std::atomic<int> ended{0};
  struct Counted {
    ~Counted() { ++ended; }
  };
  const int ended_before = ended;
  for (int round = 0; round < 5; ++round) {
    for (const std::int64_t count : {GetParam(), 2}) {
      parallel_each(count, [](std::int64_t) { thread_local const Counted counted; });
    }
  }
  EXPECT_EQ(ended, ended_before);
}

TEST_P(Threads, WaitForEveryoneWhoBegan) {
  for (int round = 0; round < 1000; ++round) {
    std::vector<int> plain(64);  // not atomic: a helper that were still at work would write where this was
    parallel_each(std::ssize(plain), [&](std::int64_t i) { plain[static_cast<std::size_t>(i)] = round; });
    for (const int value : plain) ASSERT_EQ(value, round);
  }
}

TEST_P(Threads, RethrowTheExceptionOfTheFirstElementThatFails) {
  const auto fail_from = [](std::int64_t first) {
    parallel_each(100, [&](std::int64_t i) {
      if (i >= first) throw std::runtime_error(std::to_string(i));
    });
  };
  EXPECT_THAT([&] { fail_from(41); }, ::testing::ThrowsMessage<std::runtime_error>("41"));
}

TEST_P(Threads, AreAskedByManyAtOnce) {
  std::atomic<int> visits{0};
  std::vector<std::jthread> users(4);
  for (std::jthread& user : users) {
    user = std::jthread([&] {
      for (int round = 0; round < 100; ++round) parallel_each(10, [&](std::int64_t) { ++visits; });
    });
  }
  users.clear();
  EXPECT_EQ(visits, 4 * 100 * 10);
}

/// Returns what ask() gives on the helper of the calling thread, which must have one.
template <class Ask>
auto on_helper(Ask ask) {
  std::optional<decltype(ask())> answer;
  const Stopwatch stopwatch;
  while (!answer && stopwatch.seconds() < 30) {
    std::atomic<int> begun{0};
    parallel_each(2, [&](std::int64_t) {
      ++begun;
      while (begun < 2 && stopwatch.seconds() < 30) std::this_thread::yield();
      if (thread_index() == 1) answer = ask();
    });
  }
  return answer.value();
}

std::atomic<bool> holds_up{false}, is_held_up{false};

TEST(ThreadHelp, ALoopEndsWithoutAHelperThatDoesNotBegin) {
  set_threads(2);
  const pthread_t helper = on_helper([] { return ::pthread_self(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // it waits for the next loop
  holds_up = true;
  const auto before = std::signal(SIGUSR2, [](int) {
    is_held_up = true;
    while (holds_up) ::sleep(1);
  });
  ASSERT_EQ(::pthread_kill(helper, SIGUSR2), 0);
  while (!is_held_up) std::this_thread::yield();
  int visits = 0;
  parallel_each(100, [&](std::int64_t) { ++visits; });
  EXPECT_EQ(visits, 100);
  holds_up = false;
  EXPECT_EQ(on_helper([] { return thread_index(); }), 1);  // back at work
  std::signal(SIGUSR2, before);
  set_threads(0);
}

TEST(ThreadHelp, HelpersStayOffTheirCallersCore) {
  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  if (CPU_COUNT(&allowed) < 2) GTEST_SKIP() << "needs two cores";
  set_threads(2);
  std::jthread([&] {  // with a helper of its own
    on_helper([] { return 0; });
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (!CPU_ISSET(core, &allowed)) continue;
      cpu_set_t own;
      CPU_ZERO(&own);
      CPU_SET(core, &own);
      ASSERT_EQ(::sched_setaffinity(0, sizeof own, &own), 0);
      const cpu_set_t of_helper = on_helper([] {
        cpu_set_t cores;
        ::sched_getaffinity(0, sizeof cores, &cores);
        return cores;
      });
      EXPECT_FALSE(CPU_ISSET(core, &of_helper)) << core;
      EXPECT_EQ(CPU_COUNT(&of_helper), CPU_COUNT(&allowed) - 1);
    }
  })
      .join();
  set_threads(0);
}

INSTANTIATE_TEST_SUITE_P(Counts, Threads, ::testing::Values(1, 2, 3, 8));

TEST(ThreadCount, IsWhatWasSetAndNoughtMeansEveryCore) {
  set_threads(3);
  EXPECT_EQ(threads(), 3);
  set_threads(0);
  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  EXPECT_EQ(threads(), CPU_COUNT(&allowed));
}

}  // namespace
}  // namespace kiln
