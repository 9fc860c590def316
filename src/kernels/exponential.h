// Computes e^x inline, so that compilers vectorise the loop around it.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace kiln {

/// 2^f = ((((c_0 f + c_1) f + c_2) f + c_3) f + c_4) f + 1 for f in [-1/2, 1/2], minimax to 2^-23.
inline constexpr std::array<float, 6> kPowerOfTwo{0.00132647278f, 0.00967151326f, 0.0555073375f,
                                                  0.240222421f,   0.693146978f,   1.0f};

/// e^r = 2^(r log2(e)) for r in [-log(2)/2, log(2)/2]: the same polynomial, each coefficient times a power of log2(e).
inline constexpr std::array<float, 6> kPowerOfE{0.00829031509f, 0.041897932f, 0.166676362f,
                                                0.499991496f,   0.999999708f, 1.0f};

/// Returns e^x to within 2^-22 for x in [-80, 80]; clamps x outside, so that there is no infinity and no denormal. A
/// call of std::exp empties every vector register; this takes a dozen operations: x = n log(2) + r with n integer, e^r
/// by the polynomial, 2^n from its bits. NaN stays NaN.
inline float exponential(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kHigh = 0.693359375f, kLow = -2.12194440e-4f;  // sum to log(2); n kHigh and x - n kHigh are exact
  constexpr float kWhole = 12582912.0f;  // 1.5 x 2^23: adding it rounds to an integer, held in the lowest bits
  x = std::min(std::max(x, -80.0f), 80.0f);
  const float shifted = x * kLog2E + kWhole;
  const float n = shifted - kWhole, r = (x - n * kHigh) - n * kLow;
  float sum = kPowerOfE[0];
  for (std::size_t i = 1; i < kPowerOfE.size(); ++i) sum = sum * r + kPowerOfE[i];
  return sum * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127) << 23);
}
inline double exponential(double x) { return std::exp(x); }

}  // namespace kiln
