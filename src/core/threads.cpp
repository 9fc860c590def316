// The policy, set once at the start of a command.
#include "kiln/core/threads.h"

#include <cstdlib>
#include <sys/resource.h>
#include <unistd.h>

namespace kiln {
namespace {

bool bits_are_bound = false;

}  // namespace

void let_waiting_threads_sleep(char** argv) {
  constexpr const char* kSpins = "GOMP_SPINCOUNT";
  constexpr const char* kFew = "1000";  // some microseconds, as long as an evenly shared loop keeps a thread waiting
  if (std::getenv(kSpins) != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (::setenv(kSpins, kFew, 1) == 0) ::execv("/proc/self/exe", argv);  // returns only where it fails: no harm done
}

void set_threads(int count, bool deterministic) {
  static const int wanted = omp_get_max_threads();  // by OMP_NUM_THREADS and the cores, before anything else is set
  bits_are_bound = deterministic;
  omp_set_dynamic(0);
  omp_set_num_threads(count > 0 ? count : wanted);
}

int threads() { return omp_get_max_threads(); }

bool deterministic() { return bits_are_bound; }

void let_others_go_first() {
  constexpr int kNice = 10;               // a tenth of a share
  ::setpriority(PRIO_PROCESS, 0, kNice);  // on Linux of this thread alone (setpriority(2)); its failure costs speed
}

}  // namespace kiln
