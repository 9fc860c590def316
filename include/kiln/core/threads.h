// Runs loops on a fixed number of OpenMP threads with static shares, so that results are reproducible bit for bit.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <exception>

namespace kiln {

/// Makes waiting threads sleep soon, unless the environment sets how they wait (OMP_WAIT_POLICY, GOMP_SPINCOUNT).
/// libgomp otherwise spins for milliseconds, which makes a step ten times slower on a busy machine. libgomp reads the
/// environment before main, so this sets the variable and executes the program again. Call it first in main.
void let_waiting_threads_sleep(char** argv);

/// Sets the number of threads; 0 means OMP_NUM_THREADS, or else one for every core that this process may use.
/// `deterministic`: results must not depend on that number in any bit, even if this costs speed.
void set_threads(int count, bool deterministic = false);

/// Returns the number of threads in use.
int threads();

/// Returns whether work must be partitioned by its sizes alone, never by the number of threads. Where that is free, it
/// always is: parallel_for keeps blocks of `grain` together, and sums over blocks are taken in their order.
bool deterministic();

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

/// Calls body(i) for every i in [0, count), handed out dynamically: for uneven work whose results do not depend on the
/// thread. If bodies throw, rethrows the exception of the lowest i.
template <class Body>
void parallel_each(std::int64_t count, Body&& body) {
  if (threads_here() == 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  std::exception_ptr error;  // of body(failed); exceptions must not leave the parallel region
  std::int64_t failed = count;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads())
  for (std::int64_t i = 0; i < count; ++i) {
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
  if (error) std::rethrow_exception(error);
}

}  // namespace kiln
