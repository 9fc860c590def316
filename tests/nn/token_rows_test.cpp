// Batches of sequences: where rows, positions and sequences go.
#include "kiln/nn/token_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kiln {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(TokenRows, SequencesLieEndToEndEachWithPositionsOfItsOwn) {
  TokenRows rows;
  EXPECT_EQ(rows_in(rows.sequences), 0);
  rows.append(std::vector<std::int32_t>{7, 8, 9});
  const std::span<std::int32_t> to_write = rows.append(2, {.slot = 5, .number = 8});
  ASSERT_EQ(to_write.size(), 2u);
  to_write[0] = 4;
  to_write[1] = 6;
  rows.append(std::vector<std::int32_t>{3});
  EXPECT_EQ(rows.size(), 6);
  EXPECT_THAT(rows.tokens, ElementsAre(7, 8, 9, 4, 6, 3));
  EXPECT_THAT(rows.positions, ElementsAre(0, 1, 2, 0, 1, 0));
  ASSERT_EQ(rows.sequences.size(), 3u);
  EXPECT_EQ(rows.sequences[0].row, 0);
  EXPECT_EQ(rows.sequences[0].length, 3);
  EXPECT_EQ(rows.sequences[1].row, 3);
  EXPECT_EQ(rows.sequences[1].length, 2);
  EXPECT_EQ(rows.sequences[1].slot, 5);
  EXPECT_EQ(rows.sequences[2].row, 5);
  EXPECT_EQ(rows_in(rows.sequences), 6);
}

TEST(TokenRows, PositionsFollowThePast) {
  TokenRows rows;
  rows.append(std::vector<std::int32_t>{1, 2}, {.past = 10, .slot = 3});
  rows.append(1, {.past = 4, .slot = 1});
  EXPECT_THAT(rows.positions, ElementsAre(10, 11, 4));
  EXPECT_EQ(rows.sequences[0].past, 10);
  EXPECT_EQ(rows.sequences[0].slot, 3);
  EXPECT_EQ(rows.sequences[0].keys(), 12);
  EXPECT_EQ(rows.sequences[1].past, 4);
  EXPECT_EQ(rows.sequences[1].slot, 1);
}

TEST(TokenRows, RoundUpAddsRowsOfNoSequence) {
  TokenRows rows;
  rows.round_up(4);
  EXPECT_EQ(rows.size(), 0);
  rows.append(std::vector<std::int32_t>{5, 6, 7, 8, 9}, {.past = 2});
  rows.round_up(4);
  EXPECT_THAT(rows.tokens, ElementsAre(5, 6, 7, 8, 9, 0, 0, 0));
  EXPECT_THAT(rows.positions, ElementsAre(2, 3, 4, 5, 6, 0, 0, 0));
  EXPECT_EQ(rows.sequences.size(), 1u);
  EXPECT_EQ(rows_in(rows.sequences), 5);
  rows.round_up(4);  // a multiple already
  EXPECT_EQ(rows.size(), 8);
}

TEST(TokenRows, ClearKeepsTheMemoryAndNothingElse) {
  TokenRows rows;
  for (int i = 0; i < 5; ++i) rows.append(std::vector<std::int32_t>{9, 9, 9}, {.past = 1, .slot = i});
  rows.round_up(16);
  const auto tokens = rows.tokens.capacity(), positions = rows.positions.capacity(),
             sequences = rows.sequences.capacity();
  rows.clear();
  EXPECT_EQ(rows.size(), 0);
  EXPECT_TRUE(rows.positions.empty());
  EXPECT_TRUE(rows.sequences.empty());
  EXPECT_EQ(rows.tokens.capacity(), tokens);
  EXPECT_EQ(rows.positions.capacity(), positions);
  EXPECT_EQ(rows.sequences.capacity(), sequences);
  rows.append(3);
  EXPECT_EQ(rows.sequences[0].row, 0);
  EXPECT_THAT(rows.tokens, Each(0));
  EXPECT_THAT(rows.positions, ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace kiln
