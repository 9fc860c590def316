// The thread count, set once at the start of a command.
#include "kiln/core/threads.h"

namespace kiln {

void set_threads(int count) {
  omp_set_dynamic(0);
  omp_set_num_threads(count > 0 ? count : omp_get_num_procs());
}

int threads() { return omp_get_max_threads(); }

}  // namespace kiln
