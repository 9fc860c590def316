// One policy for threads: OpenMP, a fixed number, static shares, so that a run repeats itself to the bit.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <exception>

namespace kiln {

/// Makes threads that wait for others go to sleep soon, unless the environment says how they wait (OMP_WAIT_POLICY,
/// GOMP_SPINCOUNT): GCC's OpenMP otherwise spins for milliseconds, which on a machine with other work to do makes a
/// step ten times slower. It reads the environment before main, so this starts the program again, in the same process.
/// To be called first thing.
void let_waiting_threads_sleep(char** argv);

/// Sets the number of threads for everything that follows; 0 means what OMP_NUM_THREADS says, else one for every core
/// this process may use.
/// `deterministic`: no bit of a result may depend on that number, also where this costs speed.
void set_threads(int count, bool deterministic = false);

/// The number of threads in use.
int threads();

/// Whether work has to be cut by its sizes alone, never by the number of threads. Where that costs nothing it always
/// is: parallel_for keeps blocks of `grain` together, and whoever sums over blocks does it in their order.
bool deterministic();

/// From here on this thread works mostly while others wait: for work beside a computation that it must not hold up.
void let_others_go_first();

/// The number of threads that work begun here gets: one inside a parallel region.
inline int threads_here() { return omp_in_parallel() ? 1 : threads(); }

/// While it lives, work begun on its thread stays there, as it does in a parallel region.
class OneThread {
 public:
  OneThread() : before_(threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// The calling thread's number in the region it works in, from 0.
inline int thread_index() { return omp_get_thread_num(); }

/// Calls body(begin, end) on disjoint shares that cover [0, count), one share a thread, cut between blocks of `grain`
/// elements alone: so the vectors that a loop over a share works in are the same for any number of threads. The shares
/// depend on count, grain and threads() alone. The body must not throw. All threads are asked for, with a share or
/// without: GCC's OpenMP ends those that a region has no use for, and with them all that they keep for the next.
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

/// Calls body(i) for every i in [0, count), handed out one by one to whichever thread is free: for uneven work whose
/// results do not depend on who does it. Throws what a body has thrown; of several, that of the lowest i.
template <class Body>
void parallel_each(std::int64_t count, Body&& body) {
  if (threads_here() == 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  std::exception_ptr error;  // of body(failed); none may leave the parallel region
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
