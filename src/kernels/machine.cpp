// Measures peak rates with loops that only multiply and add, or only move memory. Chooses the widest instructions at
// run time, so that a program built for older CPUs measures the same.
#include "kiln/kernels/machine.h"

#include "kiln/core/processor.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/threads.h"
#include "kiln/tensor/arena.h"

#include "kernels/amx_registers.h"
#include "kernels/bfmmla_block.h"
#include <algorithm>
#include <array>
#include <ctime>
#include <numeric>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kiln {
namespace {

constexpr std::int64_t kFewestRounds = 20'000;  // tens of microseconds for each loop below
constexpr double kSeconds = 4e-3;               // per measured loop
constexpr int kRepeats = 7;
constexpr Index kTriadElements = Index{1} << 25;  // 128 MB per array

/// A loop of `rounds`, which returns a number that depends on every operation, and its operations per round.
struct Loop {
  float (*run)(std::int64_t rounds, float seed);
  double operations;
};

// Enough accumulators to hide the latency of a multiply-add (4 cycles, 2 per cycle), few enough to stay in registers.
constexpr int kAccumulators = 12;

float portable_loop(std::int64_t rounds, float seed) {
  std::array<float, 16 * kAccumulators> sums{};
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma omp simd
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = sums[i] * seed + seed;
  }
  float total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) float avx2_loop(std::int64_t rounds, float seed) {
  __m256 sums[kAccumulators];
  const __m256 factor = _mm256_set1_ps(seed);
  for (__m256& sum : sums) sum = factor;
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kAccumulators; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, factor);
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  return _mm256_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f"))) float avx512_loop(std::int64_t rounds, float seed) {
  __m512 sums[kAccumulators];
  const __m512 factor = _mm512_set1_ps(seed);
  for (__m512& sum : sums) sum = factor;
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kAccumulators; ++i) sums[i] = _mm512_fmadd_ps(sums[i], factor, factor);
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f,avx512bf16"))) float vector_bfloat16_loop(std::int64_t rounds, float seed) {
  __m512 sums[kAccumulators];
  const __m512 factor = _mm512_set1_ps(seed);
  const __m512bh pairs = _mm512_cvtne2ps_pbh(factor, factor);
  for (__m512& sum : sums) sum = factor;
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kAccumulators; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], pairs, pairs);
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

constexpr int kTile = AmxRegisters::kSize;
constexpr double kTileOperations = 2.0 * kTile * kTile * 2 * kTile;  // per product of tiles

// Four accumulators: a product has a latency of 52 cycles and starts every 16.
float tile_loop(std::int64_t rounds, float seed) {
  alignas(64) std::array<float, kTile * kTile> tile;
  tile.fill(seed);
  const AmxRegisters registers;
  AmxRegisters::load<4>(tile.data(), kTile);
  AmxRegisters::load<5>(tile.data(), kTile);
  for (std::int64_t r = 0; r < rounds; ++r) {
    AmxRegisters::multiply_add<0, 4, 5>();
    AmxRegisters::multiply_add<1, 4, 5>();
    AmxRegisters::multiply_add<2, 4, 5>();
    AmxRegisters::multiply_add<3, 4, 5>();
  }
  AmxRegisters::store<0>(tile.data(), kTile);
  return tile[0];
}

#elif defined(KILN_BFMMLA)

constexpr int kBfmmlaAccumulators = 24;  // up to four instructions start in a cycle

__attribute__((target("arch=armv8.2-a+bf16"))) float bfmmla_loop(std::int64_t rounds, float seed) {
  float32x4_t sums[kBfmmlaAccumulators];
  const bfloat16x8_t numbers = vreinterpretq_bf16_f32(vdupq_n_f32(seed));
  for (float32x4_t& sum : sums) sum = vdupq_n_f32(seed);
  for (std::int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 32
    for (int i = 0; i < kBfmmlaAccumulators; ++i) sums[i] = vbfmmlaq_f32(sums[i], numbers, numbers);
  }
  for (int i = 1; i < kBfmmlaAccumulators; ++i) sums[0] = vaddq_f32(sums[0], sums[i]);
  return vgetq_lane_f32(sums[0], 0);
}

#endif

Loop float_loop() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {avx512_loop, 2.0 * 16 * kAccumulators};
  if (has_avx2()) return {avx2_loop, 2.0 * 8 * kAccumulators};
#endif
  return {portable_loop, 2.0 * 16 * kAccumulators};
}

Loop bfloat16_loop() {
#if defined(__x86_64__)
  if (has_bfloat16_tiles()) return {tile_loop, 4 * kTileOperations};
  if (has_fast_bfloat16()) return {vector_bfloat16_loop, 2.0 * 32 * kAccumulators};
#elif defined(KILN_BFMMLA)
  if (has_fast_bfloat16()) return {bfmmla_loop, 2.0 * 16 * kBfmmlaAccumulators};
#endif
  return float_loop();
}

/// Returns the best of several runs, since time taken by other processes is not a property of the machine.
double best_rate(double work, const auto& body) {
  double best = 0;
  for (int i = 0; i < kRepeats; ++i) {
    const Stopwatch stopwatch;
    body();
    best = std::max(best, work / stopwatch.seconds());
  }
  return best;
}

/// Returns the calling thread's CPU time.
double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Runs the loop on all threads at once and sums their rates. Takes each thread's best of several runs by CPU time, so
/// that other programs do not lower it.
double measure(const Loop& loop) {
  const Index workers = threads();
  std::vector<float> results(static_cast<std::size_t>(workers));  // used, so that the loops are not optimised away
  const auto rate = [&](std::int64_t rounds) {
    std::vector<double> best(static_cast<std::size_t>(workers));
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      parallel_for(workers, 1, [&](Index begin, Index end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          const double begun = thread_seconds();
          results[i] += loop.run(rounds, 0.5f + results[i] * 1e-9f);
          best[i] = std::max(best[i], loop.operations * static_cast<double>(rounds) / (thread_seconds() - begun));
        }
      });
    }
    return std::accumulate(best.begin(), best.end(), 0.0);
  };
  const double one_round = loop.operations * static_cast<double>(workers);
  const auto rounds = static_cast<std::int64_t>(kSeconds * rate(kFewestRounds) / one_round);
  return rate(std::max(rounds, kFewestRounds));
}

}  // namespace

double measure_float_peak() { return measure(float_loop()); }

double measure_bfloat16_peak() { return measure(bfloat16_loop()); }

double measure_memory_bandwidth() {
  Arena arena(3 * static_cast<std::size_t>(kTriadElements) * sizeof(float));
  float* a = arena.vector<float>(kTriadElements).data();
  float* b = arena.vector<float>(kTriadElements).data();
  float* c = arena.vector<float>(kTriadElements).data();
  for (float* read : {b, c}) std::fill_n(read, kTriadElements, 1.0f);  // unwritten pages would share one zero page
  return best_rate(3.0 * static_cast<double>(kTriadElements) * sizeof(float), [&] {
    parallel_for(kTriadElements, 1, [&](Index begin, Index end) {
#pragma omp simd
      for (Index i = begin; i < end; ++i) a[i] = b[i] + 3.0f * c[i];
    });
  });
}

}  // namespace kiln
