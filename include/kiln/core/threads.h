// Runs loops on a fixed number of OpenMP threads. No result depends on that number in any bit: loops are cut between
// blocks of a fixed size, and sums over blocks are taken in their order.
#pragma once

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>

namespace kiln {

/// Makes waiting threads sleep soon, unless the environment sets how they wait (OMP_WAIT_POLICY, GOMP_SPINCOUNT).
/// libgomp otherwise spins for milliseconds, which makes a step ten times slower on a busy machine. libgomp reads the
/// environment before main, so this sets the variable and executes the program again. Call it first in main.
void let_waiting_threads_sleep(char** argv);

/// Sets the number of threads; 0 means OMP_NUM_THREADS, or else one for every core that this process may use.
void set_threads(int count);

/// Returns the number of threads in use.
int threads();

/// Lowers the calling thread's priority, for work that must not hold up a computation beside it.
void let_others_go_first();

/// Returns the number of threads for a loop that starts here: 1 inside a parallel region.
inline int threads_here() { return omp_in_parallel() ? 1 : threads(); }

/// Keeps loops started by its thread on that thread during its lifetime, as inside a parallel region.
class SingleThreadScope {
 public:
  SingleThreadScope() : before_(threads()) { omp_set_num_threads(1); }
  ~SingleThreadScope() { omp_set_num_threads(before_); }
  SingleThreadScope(const SingleThreadScope&) = delete;
  SingleThreadScope& operator=(const SingleThreadScope&) = delete;

 private:
  int before_;
};

/// Returns the calling thread's index in its parallel region, from 0.
inline int thread_index() { return omp_get_thread_num(); }

/// Calls body(begin, end) on disjoint shares that cover [0, count), one per thread. Cuts only between blocks of `grain`
/// elements, so a loop over a share works on the same vectors for any number of threads. The shares depend on count,
/// grain and threads() alone. The body must not throw. Uses the full team: libgomp destroys idle threads and caches.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, Body&& body) {
  const std::int64_t blocks = (count + grain - 1) / grain;
  const std::int64_t shares = std::min<std::int64_t>(threads_here(), blocks);
  if (shares <= 1) {
    if (count > 0) body(std::int64_t{0}, count);
    return;
  }
#pragma omp parallel for schedule(static, 1) num_threads(threads())
  for (std::int64_t share = 0; share < shares; ++share) {
    body(blocks * share / shares * grain, std::min(count, blocks * (share + 1) / shares * grain));
  }
}

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

/// Calls body(i) for every i in [0, count): for work that is uneven, or whose threads others hold up, and whose results
/// do not depend on the thread. Each thread takes a part of its own in order, and then helps others. If bodies throw,
/// rethrows the exception of the lowest i.
template <class Body>
void parallel_each(std::int64_t count, Body&& body) {
  const std::int64_t parts = threads_here();
  if (parts == 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  WorkShare* const shares = share_out(count, parts);
  std::exception_ptr error;  // of body(failed); exceptions must not leave the parallel region
  std::int64_t failed = count;
#pragma omp parallel num_threads(threads())
  for (std::int64_t part = 0; part < parts; ++part) {
    WorkShare& share = shares[(thread_index() + part) % parts];
    const WorkShare::End which = part == 0 ? WorkShare::End::first : WorkShare::End::last;
    for (std::int64_t i = share.take(which); i >= 0; i = share.take(which)) {
      try {
        body(i);
      } catch (...) {
#pragma omp critical(kiln_parallel_each)
        if (i < failed) {
          failed = i;
          error = std::current_exception();
        }
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace kiln
