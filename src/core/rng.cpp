// Implements Philox and the distributions drawn from it.
#include "kiln/core/rng.h"

#include "kiln/core/hash.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace kiln {

namespace {

constexpr std::size_t kLanes = 16;  // counters computed side by side

std::uint32_t low(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
std::uint32_t high(std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); }

/// Runs the ten rounds on `Lanes` counters at a time. Word j of counter i is c[j][i], in 64 bits to hold products.
template <std::size_t Lanes>
void philox_rounds(std::uint64_t key, std::uint64_t (&c)[4][Lanes]) {
  constexpr std::uint64_t kLow = 0xFFFFFFFF;
  std::uint32_t k0 = low(key), k1 = high(key);
  for (int round = 0; round < 10; ++round) {
#pragma omp simd
    for (std::size_t i = 0; i < Lanes; ++i) {
      const std::uint64_t p0 = 0xD2511F53u * c[0][i];
      const std::uint64_t p1 = 0xCD9E8D57u * c[2][i];
      c[0][i] = p1 >> 32 ^ c[1][i] ^ k0;
      c[1][i] = p1 & kLow;
      c[2][i] = p0 >> 32 ^ c[3][i] ^ k1;
      c[3][i] = p0 & kLow;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

template <std::size_t Lanes>
PhiloxBlock block_at(const std::uint64_t (&c)[4][Lanes], std::size_t i) {
  return {low(c[0][i]), low(c[1][i]), low(c[2][i]), low(c[3][i])};
}

}  // namespace

PhiloxBlock philox(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high) {
  std::uint64_t c[4][1] = {{low(counter_low)}, {high(counter_low)}, {low(counter_high)}, {high(counter_high)}};
  philox_rounds(key, c);
  return block_at(c, 0);
}

void philox_blocks(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high,
                   std::span<PhiloxBlock> blocks) {
  std::uint64_t c[4][kLanes];
  for (std::size_t first = 0; first < blocks.size(); first += kLanes) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint64_t counter = counter_low + first + i;
      c[0][i] = low(counter);
      c[1][i] = high(counter);
      c[2][i] = low(counter_high);
      c[3][i] = high(counter_high);
    }
    philox_rounds(key, c);
    const std::size_t count = std::min(kLanes, blocks.size() - first);
    for (std::size_t i = 0; i < count; ++i) blocks[first + i] = block_at(c, i);
  }
}

std::uint64_t stream_key(std::uint64_t seed, std::string_view stream) { return hash_bytes(stream, seed); }

std::uint32_t Rng::next() {
  const std::uint64_t index = position_ / 4;
  if (index != block_index_) {
    block_ = philox(key_, index, substream_);
    block_index_ = index;
  }
  return block_[position_++ % 4];
}

double Rng::uniform() { return static_cast<double>(next64() >> 11) * 0x1.0p-53; }

double Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::uint64_t Rng::below(std::uint64_t limit) {
  const std::uint64_t threshold = -limit % limit;  // rejecting the lowest 2^64 mod limit values removes the bias
  for (;;) {
    const std::uint64_t value = next64();
    if (value >= threshold) return value % limit;
  }
}

}  // namespace kiln
