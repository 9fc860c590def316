// Stores the thread policy, set once at the start of a command.
#include "kiln/core/threads.h"

#include <cstdlib>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace kiln {
void let_waiting_threads_sleep(char** argv) {
  constexpr const char* kSpins = "GOMP_SPINCOUNT";
  constexpr const char* kFew = "1000";  // some microseconds: the usual wait at the end of an evenly shared loop
  if (std::getenv(kSpins) != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (::setenv(kSpins, kFew, 1) == 0) ::execv("/proc/self/exe", argv);  // returns only on failure, which is harmless
}

void set_threads(int count) {
  static const int wanted = omp_get_max_threads();  // from OMP_NUM_THREADS and the cores, read before it is changed
  omp_set_dynamic(0);
  omp_set_num_threads(count > 0 ? count : wanted);
}

int threads() { return omp_get_max_threads(); }

WorkShare* share_out(std::int64_t total, std::int64_t count) {
  static thread_local std::vector<WorkShare> shares;
  if (shares.size() < static_cast<std::size_t>(count)) shares = std::vector<WorkShare>(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    shares[static_cast<std::size_t>(i)].set(total * i / count, total * (i + 1) / count);
  }
  return shares.data();
}

void let_others_go_first() {
  constexpr int kNice = 10;               // about a tenth of the CPU time of nice 0
  ::setpriority(PRIO_PROCESS, 0, kNice);  // on Linux for this thread alone (setpriority(2)); failure costs only speed
}

}  // namespace kiln
