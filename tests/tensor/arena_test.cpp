// Bump memory: alignment, reuse, and the count that a second arena is sized by.
#include "kiln/tensor/arena.h"

#include "kiln/core/error.h"
#include "kiln/core/memory.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include <cstdint>

namespace kiln {
namespace {

constexpr std::uintptr_t kCacheLine = 64;

template <class T>
std::uintptr_t misalignment(const T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % kCacheLine;
}

TEST(Arena, GivesOutDisjointAlignedZeros) {
  Arena arena(4096);
  Mat<float> a = arena.matrix<float>(3, 5);
  Vec<double> b = arena.vector<double>(7);
  EXPECT_EQ(misalignment(a.data()), 0u);
  EXPECT_EQ(misalignment(b.data()), 0u);
  EXPECT_EQ(a.rows(), 3);
  EXPECT_EQ(a.cols(), 5);
  EXPECT_EQ(a.outerStride(), 5);
  EXPECT_TRUE((a.array() == 0).all() && (b.array() == 0).all());
  a.setConstant(1);
  EXPECT_TRUE((b.array() == 0).all());
}

TEST(Arena, ReleaseGivesTheSameMemoryAgainAndThePeakStays) {
  Arena arena(4096);
  arena.vector<float>(16);
  const std::size_t mark = arena.mark();
  const float* first = arena.vector<float>(100).data();
  arena.release(mark);
  EXPECT_EQ(arena.vector<float>(10).data(), first);
  EXPECT_EQ(arena.peak_bytes(), 64u + 448u);  // 100 floats are 400 bytes: 7 cache lines
}

TEST(Arena, CountingTakesNoMemoryAndFindsThePeakThatIsEnough) {
  auto lay_out = [](Arena& arena) {
    arena.matrix<double>(10, 10);
    const std::size_t mark = arena.mark();
    arena.matrix<float>(100, 3);
    arena.release(mark);
    return arena.vector<float>(5).data();
  };
  Arena counting = Arena::counting();
  EXPECT_EQ(lay_out(counting), nullptr);
  Arena real(counting.peak_bytes());
  EXPECT_NE(lay_out(real), nullptr);
  EXPECT_EQ(real.peak_bytes(), counting.peak_bytes());
}

TEST(Arena, CountsMoreThanAnyMachineHas) {
  Arena counting = Arena::counting();
  counting.matrix<float>(Index{1} << 30, Index{1} << 20);
  EXPECT_EQ(counting.peak_bytes(), std::size_t{1} << 52);
}

TEST(Arena, SaysWhenItIsTooSmall) {
  Arena arena(64);
  arena.vector<float>(16);
  testing::expect_error_with(ExitCode::failure, {"activation arena", "128 bytes wanted of 64"},
                             [&] { arena.vector<float>(1); });
}

TEST(AlignedBlock, ALargeOneTakesRoomOnlyWhereItIsWrittenTo) {
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  const std::uint64_t before = peak_memory_bytes();
  const AlignedBlock block(kBytes);
  EXPECT_EQ(misalignment(block.data()), 0u);
  for (std::size_t i = 0; i < kBytes; i += kBytes / 16) EXPECT_EQ(block.data()[i], std::byte{0});
  EXPECT_LT(peak_memory_bytes() - before, kBytes / 8);
  block.data()[kBytes - 1] = std::byte{1};
}

TEST(AlignedBlock, ThatCannotBeHadIsAnErrorOfTheConfig) {
  testing::expect_error_with(ExitCode::usage, {"cannot allocate 1152921504.61 GB of memory"},
                             [] { AlignedBlock block(std::size_t{1} << 60); });
}

}  // namespace
}  // namespace kiln
