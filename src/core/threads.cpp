// Keeps a team of helpers for every thread that starts loops, and the number of threads, set once at a command's start.
#include "kiln/core/threads.h"

#include "kiln/core/stopwatch.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <linux/futex.h>
#include <sched.h>
#include <string_view>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace kiln {
namespace {

/// Returns the cores that the calling thread may use.
cpu_set_t allowed_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof cores, &cores);  // fails with more than 1,024 cores, and leaves the set empty
  return cores;
}

/// Returns the count that OMP_NUM_THREADS names, or 0.
int count_of_environment() {
  const char* const text = std::getenv("OMP_NUM_THREADS");
  const std::string_view digits = text == nullptr ? "" : text;
  int count = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), count);
  return std::max(0, count);
}

int default_count() {
  static const int count = [] {
    if (const int named = count_of_environment(); named > 0) return named;
    const cpu_set_t allowed = allowed_cores();
    return CPU_COUNT(&allowed) > 0 ? CPU_COUNT(&allowed) : static_cast<int>(std::thread::hardware_concurrency());
  }();
  return count;
}

std::atomic<int> chosen_count{0};    // 0: default_count()
thread_local bool is_alone = false;  // inside a loop, or in a SingleThreadScope
thread_local int index_in_loop = 0;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// A number that threads wait to see changed.
class Watched {
 public:
  std::uint32_t value() const { return value_; }

  /// Adds `change` and wakes all who wait.
  void add(std::uint32_t change) {
    value_ += change;
    if (sleepers_ > 0) ::syscall(SYS_futex, &value_, FUTEX_WAKE_PRIVATE, std::numeric_limits<int>::max());
  }

  /// Waits until the value is not `old`. Sleeps after some microseconds, the usual wait at the end of a loop, so that
  /// other programs, and threads that have work, get the core. (std::atomic's wait yields first: beside a busy program
  /// that costs a time slice, some milliseconds.)
  void wait_while(std::uint32_t old) {
    constexpr int kSpins = 1000;
    for (int i = 0; i < kSpins; ++i) {
      if (value_ != old) return;
      pause();
    }
    ++sleepers_;
    while (value_ == old) ::syscall(SYS_futex, &value_, FUTEX_WAIT_PRIVATE, old, nullptr);
    --sleepers_;
  }

 private:
  std::atomic<std::uint32_t> value_{0};
  std::atomic<int> sleepers_{0};
};

/// Keeps the calling thread off a core from now on. Linux otherwise wakes a helper on its caller's core where the
/// others are busy: then both share one core, while a single other program has the next (seen with Linux 6.18).
void stay_off(int core) {
  static thread_local int avoided = -1;
  static thread_local const cpu_set_t all = allowed_cores();
  if (core == avoided) return;
  avoided = core;
  cpu_set_t others = all;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) > 0) ::sched_setaffinity(0, sizeof others, &others);  // failure costs only speed
}

/// Offers the core to other programs, once in a millisecond. A helper calls it between loops, where nobody waits for
/// it; within one, where the system would otherwise take the core, all would wait for a time slice of some
/// milliseconds.
void give_way() {
  constexpr double kSeconds = 1e-3;
  static thread_local Stopwatch since;
  if (since.seconds() < kSeconds) return;
  ::sched_yield();
  since = Stopwatch();
}

/// The helpers of one thread. A loop that has been opened and not closed takes helpers in.
class Team {
 public:
  ~Team() {
    is_ending_ = true;
    changes_.add(1);
    for (std::thread& helper : helpers_) helper.join();
  }

  void run(int count, void (*work)(void*), void* argument) {
    hire(count - 1);
    work_ = work;
    argument_ = argument;
    count_ = count;
    caller_core_ = ::sched_getcpu();
    changes_.add(1);
    call();
    changes_.add(1);
    for (std::uint32_t inside = inside_.value(); inside > 0; inside = inside_.value()) inside_.wait_while(inside);
  }

 private:
  /// Has `count` helpers, or as many as the system grants: fewer do the same work.
  void hire(int count) {
    try {
      while (std::ssize(helpers_) < count) {
        helpers_.emplace_back([this, index = static_cast<int>(helpers_.size()) + 1] { help(index); });
      }
    } catch (const std::system_error&) {
    }
  }

  void call() {
    const SingleThreadScope loops_within;
    work_(argument_);
  }

  /// Helps with every loop until the team ends. Reads a loop's fields only inside the loop: when run() has closed it,
  /// either run() sees that a helper is inside, or the helper sees that the loop is closed.
  void help(int index) {
    index_in_loop = index;
    for (std::uint32_t seen = changes_.value(); !is_ending_; seen = changes_.value()) {
      const bool is_open = seen % 2 == 1;
      if (is_open) {
        inside_.add(1);
        if (changes_.value() == seen && index < count_) {
          stay_off(caller_core_);
          call();
        }
        inside_.add(-1u);
        give_way();
      }
      changes_.wait_while(seen);
    }
  }

  std::vector<std::thread> helpers_;
  alignas(64) Watched changes_;  // how often a loop was opened or closed
  alignas(64) Watched inside_;   // how many helpers are in the loop
  std::atomic<bool> is_ending_{false};
  void (*work_)(void*) = nullptr;
  void* argument_ = nullptr;
  int count_ = 0;
  int caller_core_ = 0;
};

}  // namespace

void set_threads(int count) { chosen_count = count; }

int threads() {
  if (is_alone) return 1;
  const int count = chosen_count.load(std::memory_order_relaxed);
  return count > 0 ? count : default_count();
}

int thread_index() { return index_in_loop; }

SingleThreadScope::SingleThreadScope() : before_(is_alone) { is_alone = true; }

SingleThreadScope::~SingleThreadScope() { is_alone = before_; }

WorkShare* share_out(std::int64_t total, std::int64_t count) {
  static thread_local std::vector<WorkShare> shares;
  if (shares.size() < static_cast<std::size_t>(count)) shares = std::vector<WorkShare>(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    shares[static_cast<std::size_t>(i)].set(total * i / count, total * (i + 1) / count);
  }
  return shares.data();
}

void run_together(void (*work)(void*), void* argument) {
  static thread_local Team team;
  team.run(threads(), work, argument);
}

void let_others_go_first() {
  constexpr int kNice = 10;               // about a tenth of the CPU time of nice 0
  ::setpriority(PRIO_PROCESS, 0, kNice);  // on Linux for this thread alone (setpriority(2)); failure costs only speed
}

}  // namespace kiln
