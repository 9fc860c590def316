// Philox and the distributions drawn from it.
#include "kiln/core/rng.h"

#include "kiln/core/file.h"

#include <cmath>
#include <numbers>

namespace kiln {

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high) {
  auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  std::array<std::uint32_t, 4> c{low(counter_low), high(counter_low), low(counter_high), high(counter_high)};
  std::uint32_t k0 = low(key), k1 = high(key);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {high(p1) ^ c[1] ^ k0, low(p1), high(p0) ^ c[3] ^ k1, low(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
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
  const std::uint64_t threshold = -limit % limit;  // the first 2^64 mod limit values would favour small results
  for (;;) {
    const std::uint64_t value = next64();
    if (value >= threshold) return value % limit;
  }
}

}  // namespace kiln
