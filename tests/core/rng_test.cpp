// Philox against its authors' vectors, and the draws made of it.
#include "kiln/core/rng.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

namespace kiln {
namespace {

using Words = PhiloxBlock;

TEST(Philox, MatchesRandom123sKnownAnswers) {  // kat_vectors of Random123, philox4x32-10
  constexpr std::uint64_t ones = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(philox(0, 0, 0), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox(ones, ones, ones), (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox(0x299f31d0'a4093822, 0x85a308d3'243f6a88, 0x03707344'13198a2e),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, GivesTheSameBlocksManyAtATime) {
  const std::uint64_t first = 0xffff'fffa;  // the counter's lower word overflows on the way
  for (const std::size_t count : {1u, 15u, 16u, 37u}) {
    std::vector<PhiloxBlock> blocks(count + 1, PhiloxBlock{7, 7, 7, 7});
    philox_blocks(5, first, 9, std::span(blocks).first(count));
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(blocks[i], philox(5, first + i, 9)) << i << " of " << count;
    EXPECT_EQ(blocks[count], (PhiloxBlock{7, 7, 7, 7}));  // untouched
  }
}

TEST(Rng, DrawsPhiloxsWordsInOrder) {
  const std::uint64_t key = stream_key(7, "test");
  Rng rng(7, "test", 3);
  for (std::uint64_t block = 0; block < 3; ++block) {
    for (std::uint32_t word : philox(key, block, 3)) EXPECT_EQ(rng.next(), word);
  }
}

TEST(Rng, SeedStreamAndSubstreamEachChangeTheDraws) {
  std::set<std::uint32_t> first;
  for (Rng rng : {Rng(1, "a"), Rng(2, "a"), Rng(1, "b"), Rng(1, "a", 1)}) first.insert(rng.next());
  EXPECT_EQ(first.size(), 4u);
  EXPECT_EQ(Rng(1, "a").next(), Rng(1, "a").next());
}

TEST(Rng, ContinuesFromASavedPosition) {
  for (int before : {0, 1, 3, 4, 5, 1001}) {
    Rng rng(7, "resume");
    for (int i = 0; i < before; ++i) rng.next();
    Rng resumed(7, "resume");
    resumed.set_position(rng.position());
    for (int i = 0; i < 9; ++i) EXPECT_EQ(resumed.next(), rng.next()) << before << " draws before, " << i << " after";
  }
}

TEST(Rng, GoesBackToAnEarlierPosition) {
  Rng rng(7, "back");
  const double first = rng.normal();
  rng.set_position(0);
  EXPECT_EQ(rng.normal(), first);
}

TEST(Rng, UniformHasItsMomentsWithinItsInterval) {
  Rng rng(7, "uniform");
  constexpr int count = 200'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    const double u = rng.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / count, 1.0 / 2, 0.003);
  EXPECT_NEAR(squares / count, 1.0 / 3, 0.003);
}

TEST(Rng, NormalHasItsMoments) {
  Rng rng(7, "normal");
  constexpr int count = 200'000;
  double sum = 0, squares = 0, fourths = 0;
  for (int i = 0; i < count; ++i) {
    const double z = rng.normal();
    ASSERT_TRUE(std::isfinite(z));
    sum += z;
    squares += z * z;
    fourths += z * z * z * z;
  }
  EXPECT_NEAR(sum / count, 0, 0.01);
  EXPECT_NEAR(squares / count, 1, 0.02);
  EXPECT_NEAR(fourths / count, 3, 0.1);
}

TEST(Rng, BelowIsEvenOverItsValues) {
  Rng rng(7, "below");
  std::vector<int> counts(7);
  for (int i = 0; i < 70'000; ++i) ++counts.at(rng.below(7));  // at() throws beyond the limit
  for (int count : counts) EXPECT_NEAR(count, 10'000, 400);
}

TEST(Rng, BelowTakesEveryLimit) {
  Rng rng(7, "limits");
  constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(rng.below(1), 0u);
    EXPECT_LT(rng.below(most), most);
    EXPECT_LT(rng.below(most / 2 + 2), most / 2 + 2);  // almost half of all words have to be drawn again
  }
}

}  // namespace
}  // namespace kiln
