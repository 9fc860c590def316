// The order of examples from several sources: their shares, their passes, and that it is a function of seed and number.
#include "kiln/data/mix_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include <algorithm>
#include <set>
#include <vector>

namespace kiln {
namespace {

using testing::expect_error_with;

/// The source of an example of `order`, whose sources have these sizes, and its place in it.
struct PlacedExample {
  std::size_t source = 0;
  Index place = 0;
};

PlacedExample placed(MixOrder& order, const std::vector<Index>& sizes, Index number) {
  PlacedExample found{0, order.example(number)};
  for (; found.place >= sizes[found.source]; ++found.source) found.place -= sizes[found.source];
  return found;
}

/// The first `count` draws from each source, in order.
std::vector<std::vector<Index>> draws_by_source(MixOrder& order, const std::vector<Index>& sizes, Index count) {
  std::vector<std::vector<Index>> draws(sizes.size());
  for (Index number = 0; number < count; ++number) {
    const PlacedExample example = placed(order, sizes, number);
    draws[example.source].push_back(example.place);
  }
  return draws;
}

TEST(MixOrder, SharesAreExactOverAnEpochAndEvenWithinIt) {
  for (const DataOrder kind : {DataOrder::shuffle, DataOrder::sequential, DataOrder::random}) {
    MixOrder order({{30, 3}, {20, 1}, {5, 0.5}}, kind, 7);  // source 1 has the most examples for its weight
    EXPECT_EQ(order.epoch(), 60 + 20 + 10);
    EXPECT_EQ(order.draws(0), 60);
    EXPECT_EQ(order.draws(2), 10);
    std::vector<Index> counts(3, 0);
    for (Index number = 0; number < 3 * order.epoch(); ++number) {
      ++counts[placed(order, {30, 20, 5}, number).source];
      const auto drawn = static_cast<double>(number + 1);
      for (std::size_t i = 0; i < 3; ++i) {
        const double share = static_cast<double>(order.draws(static_cast<Index>(i))) / 90;
        EXPECT_NEAR(static_cast<double>(counts[i]), share * drawn, 1.5) << i << " of " << drawn;
      }
      if ((number + 1) % 90 != 0) continue;
      EXPECT_THAT(counts,
                  ::testing::ElementsAre(60 * (number + 1) / 90, 20 * (number + 1) / 90, 10 * (number + 1) / 90));
    }
  }
}

TEST(MixOrder, EachSourceIsShuffledAnewAtEachOfItsPasses) {
  const std::vector<Index> sizes{12, 31};
  MixOrder order({{12, 1}, {31, 1}}, DataOrder::shuffle, 5);
  const auto draws = draws_by_source(order, sizes, 4 * order.epoch());
  ASSERT_EQ(draws[0].size(), 4u * 31);
  for (std::size_t source = 0; source < 2; ++source) {
    const auto n = static_cast<std::size_t>(sizes[source]);
    std::set<std::vector<Index>> passes;
    for (std::size_t first = 0; first + n <= draws[source].size(); first += n) {
      const auto begin = draws[source].begin() + static_cast<std::ptrdiff_t>(first);
      const std::vector<Index> pass(begin, begin + static_cast<std::ptrdiff_t>(n));
      EXPECT_EQ(std::set<Index>(pass.begin(), pass.end()).size(), n) << source << " from draw " << first;
      EXPECT_TRUE(passes.insert(pass).second) << "repeats the order of an earlier pass";
    }
  }
}

TEST(MixOrder, IsAFunctionOfTheSeedAndTheNumber) {
  const std::vector<MixedSource> sources{{12, 1}, {31, 1}};
  MixOrder forward(sources, DataOrder::shuffle, 5), backward(sources, DataOrder::shuffle, 5),
      other(sources, DataOrder::shuffle, 6);
  std::vector<Index> examples;
  for (Index number = 0; number < 3 * forward.epoch(); ++number) examples.push_back(forward.example(number));
  Index same = 0;
  for (Index number = std::ssize(examples) - 1; number >= 0; --number) {
    EXPECT_EQ(backward.example(number), examples[static_cast<std::size_t>(number)]);
    same += other.example(number) == examples[static_cast<std::size_t>(number)] ? 1 : 0;
  }
  EXPECT_LT(same, std::ssize(examples) / 2);
}

TEST(MixOrder, SequentialSourcesAreInTheirOwnOrder) {
  MixOrder order({{2, 1}, {6, 2}}, DataOrder::sequential, 0);
  const auto draws = draws_by_source(order, {2, 6}, 2 * order.epoch());
  EXPECT_THAT(draws[0], ::testing::ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_THAT(draws[1], ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5));
}

TEST(MixOrder, AnEpochTooLongToListIsRefused) {
  expect_error_with(ExitCode::usage,
                    {"data.mix[1]: a pass over its 5,000 conversations at a weight of 1e-06", "raise this weight"}, [] {
                      MixOrder({{1000, 1}, {5000, 1e-6}}, DataOrder::shuffle, 0);
                    });
}

}  // namespace
}  // namespace kiln
