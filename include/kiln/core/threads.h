// Runs loops on several threads. No result depends on their number in any bit: loops are cut between blocks of a fixed
// size, and sums over blocks are taken in their order.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>

namespace kiln {

/// Sets the number of threads; 0 means OMP_NUM_THREADS, or else one for every core that this process may use.
void set_threads(int count);

/// Returns the number of threads for a loop that starts here: 1 inside another loop, or in a SingleThreadScope.
int threads();

/// Returns the calling thread's index in the loop that it works for, from 0.
int thread_index();

/// Keeps loops started by its thread on that thread during its lifetime.
class SingleThreadScope {
 public:
  SingleThreadScope();
  ~SingleThreadScope();
  SingleThreadScope(const SingleThreadScope&) = delete;
  SingleThreadScope& operator=(const SingleThreadScope&) = delete;

 private:
  bool before_;
};

/// Lowers the calling thread's priority, for work that must not hold up a computation beside it.
void let_others_go_first();

/// Numbers that a thread has yet to take: its owner takes the first, others, when they have none left, the last.
class alignas(64) WorkShare {
 public:
  /// Sets the numbers to [first, end), below 2^32.
  void set(std::int64_t first, std::int64_t end) {
    range_.store(static_cast<std::uint64_t>(first) << 32 | static_cast<std::uint64_t>(end), std::memory_order_relaxed);
  }

  enum class End { first, last };

  /// Returns a number, or -1 if none is left.
  std::int64_t take(End which) {
    std::uint64_t range = range_.load(std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t first = range >> 32, end = range & 0xffffffffu;
      if (first >= end) return -1;
      const std::uint64_t rest = which == End::first ? (first + 1) << 32 | end : first << 32 | (end - 1);
      if (!range_.compare_exchange_weak(range, rest, std::memory_order_relaxed)) continue;
      return static_cast<std::int64_t>(which == End::first ? first : end - 1);
    }
  }

 private:
  std::atomic<std::uint64_t> range_{0};
};

/// Returns `count` shares of about the same size that cover [0, total), valid until the calling thread's next call.
WorkShare* share_out(std::int64_t total, std::int64_t count);

/// Calls work(argument) on the calling thread and, at the same time, on its helpers, threads() in all. Once one of
/// these calls has returned, there must be nothing left to begin: run_together then waits for the calls that run, and
/// calls no more. So a helper that another program keeps from starting holds nobody up. `work` must not throw.
void run_together(void (*work)(void*), void* argument);

/// Calls body(i) for every i in [0, count), on any thread. Each thread takes a share of its own in order, and then
/// helps others with theirs. If bodies throw, rethrows the exception of the lowest i.
template <class Body>
void parallel_each(std::int64_t count, Body&& body) {
  const std::int64_t parts = threads();
  if (parts == 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  WorkShare* const shares = share_out(count, parts);
  std::mutex failing;
  std::exception_ptr error;  // of body(failed)
  std::int64_t failed = count;
  auto work = [&] {
    for (std::int64_t part = 0; part < parts; ++part) {
      WorkShare& share = shares[(thread_index() + part) % parts];
      const WorkShare::End which = part == 0 ? WorkShare::End::first : WorkShare::End::last;
      for (std::int64_t i = share.take(which); i >= 0; i = share.take(which)) {
        try {
          body(i);
        } catch (...) {
          const std::lock_guard lock(failing);
          if (i < failed) {
            failed = i;
            error = std::current_exception();
          }
        }
      }
    }
  };
  run_together([](void* argument) { (*static_cast<decltype(work)*>(argument))(); }, &work);
  if (error) std::rethrow_exception(error);
}

/// Calls body(begin, end) on disjoint ranges that cover [0, count), several for each thread. Cuts only between blocks
/// of `grain` elements, so that a loop works on the same vectors wherever it is cut.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
  constexpr std::int64_t kRangesOfThread = 8;
  const std::int64_t blocks = (count + grain - 1) / grain;
  const std::int64_t workers = threads();
  const std::int64_t ranges =
      workers == 1 ? std::min<std::int64_t>(1, blocks) : std::min(blocks, workers * kRangesOfThread);
  parallel_each(ranges, [&](std::int64_t i) {
    body(blocks * i / ranges * grain, std::min(count, blocks * (i + 1) / ranges * grain));
  });
}

}  // namespace kiln
