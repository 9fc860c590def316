// Wraps Intel's AMX registers: eight tiles of 16 x 16 floats, or of 16 x 16 pairs of bfloat16 (Intel's manual, volume
// 1, "Programming with Intel AMX"; has_bfloat16_tiles requests their use first).
#pragma once

#if defined(__x86_64__)

#include <algorithm>
#include <array>
#include <cstdint>

namespace kiln {

/// Configures this thread's registers during its lifetime: all tiles of maximum size, initially zero. Compilers do not
/// track these registers; the asm statements declare what memory they access.
class AmxRegisters {
 public:
  static constexpr int kSize = 16;  // rows of a tile, and floats or pairs in each

  AmxRegisters() {
    const Shapes shapes;
    asm volatile("ldtilecfg %0" : : "m"(shapes));
  }
  ~AmxRegisters() { asm volatile("tilerelease"); }
  AmxRegisters(const AmxRegisters&) = delete;
  AmxRegisters& operator=(const AmxRegisters&) = delete;

  template <int Tile>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(Tile));
  }

  /// Loads or stores a tile whose rows lie `pitch` floats apart.
  template <int Tile>
  static void load(const float* data, std::int64_t pitch) {
    asm volatile("tileloadd (%0,%1,4), %%tmm%c2" : : "r"(data), "r"(pitch), "i"(Tile) : "memory");
  }
  template <int Tile>
  static void store(float* data, std::int64_t pitch) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,4)" : : "r"(data), "r"(pitch), "i"(Tile) : "memory");
  }

  /// Sums += left right. `Left` holds pairs within a row; `Right` holds pairs from two adjacent rows.
  template <int Sums, int Left, int Right>
  static void multiply_add() {
    asm volatile("tdpbf16ps %%tmm%c0, %%tmm%c1, %%tmm%c2" : : "i"(Right), "i"(Left), "i"(Sums));
  }

 private:
  static constexpr int kTiles = 8;

  struct alignas(64) Shapes {
    std::uint8_t palette = 1, start_row = 0;
    std::array<std::uint8_t, 14> reserved{};
    std::array<std::uint16_t, 16> row_bytes{};
    std::array<std::uint8_t, 16> rows{};

    Shapes() {
      std::fill_n(row_bytes.begin(), kTiles, kSize * sizeof(float));
      std::fill_n(rows.begin(), kTiles, kSize);
    }
  };
  static_assert(sizeof(Shapes) == 64);
};

}  // namespace kiln

#endif
