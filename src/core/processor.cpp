// Reads CPU features from cpuid or, on Arm, from the auxiliary vector, and the CPU's name from /proc/cpuinfo.
#include "kiln/core/processor.h"

#include "kiln/core/error.h"

#include <cstdlib>
#include <fstream>
#include <string_view>
#include <utility>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace kiln {
namespace {

/// The widest instructions that the variable KILN_INSTRUCTIONS leaves; each set includes those before it.
enum class Widest { plain, avx2, avx512, any };

[[maybe_unused]] Widest widest() {
  static const Widest allowed = [] {
    const char* const name = std::getenv("KILN_INSTRUCTIONS");
    if (name == nullptr) return Widest::any;
    for (const auto& [known, set] :
         {std::pair{"plain", Widest::plain}, std::pair{"avx2", Widest::avx2}, std::pair{"avx512", Widest::avx512}}) {
      if (std::string_view(name) == known) return set;
    }
    fail(ExitCode::usage, "KILN_INSTRUCTIONS is \"{}\"; it hides wider instructions than plain, avx2 or avx512", name);
  }();
  return allowed;
}

#if defined(__x86_64__)

constexpr unsigned kFeatures = 7;  // the leaf of feature flags

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

/// Returns all zeros if the CPU has no such leaf.
Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}

#endif

}  // namespace

#if defined(__x86_64__)

bool has_avx2() {
  return widest() >= Widest::avx2 && __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}

bool has_avx512() {
  return widest() >= Widest::avx512 && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

bool has_bfloat16_products() {
  constexpr unsigned kAvx512Bf16 = 1u << 5;                    // subleaf 1, EAX
  if (widest() != Widest::any || !has_avx512()) return false;  // has_avx512 checks that the OS saves the registers
  return (cpuid(kFeatures, 1).a & kAvx512Bf16) != 0;
}

bool has_bfloat16_tiles() {
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;  // subleaf 0, EDX
  constexpr long kRequestPermission = 0x1023, kTileData = 18;   // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  const unsigned features = cpuid(kFeatures, 0).d;
  return widest() == Widest::any && (features & kAmxBf16) != 0 && (features & kAmxTile) != 0 &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool has_fast_bfloat16() { return has_bfloat16_tiles() || (has_bfloat16_products() && __builtin_cpu_is("intel") == 0); }

#else

bool has_avx2() { return false; }
bool has_avx512() { return false; }
bool has_bfloat16_tiles() { return false; }
bool has_fast_bfloat16() { return has_bfloat16_products(); }
#if defined(__aarch64__)
bool has_bfloat16_products() { return widest() == Widest::any && (::getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0; }
#else
bool has_bfloat16_products() { return false; }
#endif

#endif

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace kiln
