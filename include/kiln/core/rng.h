// Generates random numbers by counter: every draw is a pure function of (seed, stream, position).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace kiln {

/// The random words of one counter value.
using PhiloxBlock = std::array<std::uint32_t, 4>;

/// Returns four random words for a 64-bit key and a 128-bit counter, by Philox4x32-10.
/// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
PhiloxBlock philox(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high);

/// Writes the blocks of consecutive counters from `counter_low` on, several at a time (SIMD).
void philox_blocks(std::uint64_t key, std::uint64_t counter_low, std::uint64_t counter_high,
                   std::span<PhiloxBlock> blocks);

/// Returns the key of a seed and a purpose ("init/wte.weight", "sampling"); different purposes draw different numbers.
std::uint64_t stream_key(std::uint64_t seed, std::string_view stream);

/// Draws a sequence of random numbers. Its whole state is a position, which can be saved and set.
class Rng {
 public:
  Rng(std::uint64_t seed, std::string_view stream, std::uint64_t substream = 0)
      : key_(stream_key(seed, stream)), substream_(substream) {}

  std::uint32_t next();                      // uniform over 32 bits
  double uniform();                          // uniform in [0, 1), 53 bits
  double normal();                           // mean 0, standard deviation 1 (Box-Muller)
  std::uint64_t below(std::uint64_t limit);  // uniform in [0, limit), without bias; limit > 0

  std::uint64_t position() const { return position_; }
  void set_position(std::uint64_t position) { position_ = position; }

 private:
  std::uint64_t next64() {
    const std::uint64_t low = next();
    return low | std::uint64_t{next()} << 32;
  }

  std::uint64_t key_;
  std::uint64_t substream_;
  std::uint64_t position_ = 0;  // in 32-bit words
  PhiloxBlock block_{};
  std::uint64_t block_index_ = ~std::uint64_t{0};
};

}  // namespace kiln
