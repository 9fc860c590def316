// The processor's own account of itself (cpuid), and the system's.
#include "kiln/core/processor.h"

#include <fstream>
#include <string_view>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace kiln {

bool has_bfloat16_products() {
#if defined(__x86_64__)
  constexpr unsigned kFeatures = 7, kMore = 1, kAvx512Bf16 = 1u << 5;  // leaf 7, subleaf 1, EAX bit 5
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__builtin_cpu_supports("avx512f") == 0) return false;  // asks the system too: it has to save the registers
  return __get_cpuid_count(kFeatures, kMore, &a, &b, &c, &d) != 0 && (a & kAvx512Bf16) != 0;
#else
  return false;
#endif
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace kiln
