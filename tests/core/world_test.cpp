// The operations on all ranks, whatever carries their messages.
#include "kiln/core/world.h"

#include <gtest/gtest.h>

#include "support/thread_world.h"
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::as_ranks;

/// Bounds of pieces of unequal size, some of them empty, that begin at 3.
std::vector<std::int64_t> bounds_of(int size, std::int64_t unit) {
  std::vector<std::int64_t> bounds{3};
  for (int r = 0; r < size; ++r) bounds.push_back(bounds.back() + (r % 3 == 1 ? 0 : unit + r));
  return bounds;
}

/// A number with many digits, so that sums are rounded.
float value(std::int64_t i) {
  return static_cast<float>(static_cast<std::uint64_t>(i + 1) * 0x9E3779B97F4A7C15 >> 40) * 1.3e-3f;
}

TEST(World, OfOneProcessDoesNothing) {
  World& world = World::alone();
  EXPECT_EQ(world.size(), 1);
  EXPECT_TRUE(world.is_root());
  EXPECT_EQ(world.gather(5), std::vector<int>{5});
  EXPECT_EQ(world.of_root(4.5), 4.5);
  EXPECT_TRUE(world.any(true));
  EXPECT_FALSE(world.any(false));
  std::vector<float> data{1, 2, 3};
  const std::vector<std::int64_t> bounds{0, 3};
  world.reduce_scatter(data, bounds);
  world.all_gather(std::span(data), bounds);
  EXPECT_EQ(data, (std::vector<float>{1, 2, 3}));
  EXPECT_THROW(world.later([] { throw std::runtime_error("x"); }).get(), std::runtime_error);
}

TEST(World, GathersInTheOrderOfRanks) {
  for (const int size : {2, 3, 5}) {
    as_ranks(size, [&](World& world) {
      std::vector<int> all(static_cast<std::size_t>(size));
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(world.gather(world.rank()), all);
      EXPECT_EQ(world.of_root(world.rank() + 10), 10);
      EXPECT_TRUE(world.any(world.rank() == size - 1));
      EXPECT_FALSE(world.any(false));
      const std::vector<int> own(static_cast<std::size_t>(world.rank()), world.rank());
      std::vector<int> expected;
      for (int r = 0; r < size; ++r) expected.insert(expected.end(), static_cast<std::size_t>(r), r);
      EXPECT_EQ(world.gather_all(own), expected);
    });
  }
}

TEST(World, BroadcastsSmallAndLarge) {
  for (const std::size_t size : {1u, 1000u, 65536u, 65537u, 50'000'001u}) {
    as_ranks(3, [&](World& world) {
      std::string data(size, world.is_root() ? 'r' : '.');
      if (world.is_root()) data.back() = 'e';
      world.broadcast(std::as_writable_bytes(std::span(data)));
      EXPECT_EQ(data.find_first_not_of('r'), size - 1);
      EXPECT_EQ(data.back(), 'e');
    });
  }
}

TEST(World, AddsUpAsABalancedTree) {
  for (const int size : {2, 3, 4, 7, 8}) {
    for (const std::int64_t unit : {5, 2'000'003}) {  // the latter in several messages
      as_ranks(size, [&](World& world) {
        const std::vector<std::int64_t> bounds = bounds_of(size, unit);
        std::vector<float> data(static_cast<std::size_t>(bounds.back()));
        for (std::int64_t i = 0; i < bounds.back(); ++i) data[static_cast<std::size_t>(i)] = value(i + world.rank());
        const std::vector<float> before = data;
        world.reduce_scatter(data, bounds);
        const std::int64_t begin = bounds[static_cast<std::size_t>(world.rank())];
        const std::int64_t end = bounds[static_cast<std::size_t>(world.rank()) + 1];
        std::int64_t wrong = 0;
        for (std::int64_t i = 0; i < bounds.back(); ++i) {
          float expected = before[static_cast<std::size_t>(i)];
          if (i >= begin && i < end) {
            std::vector<float> parts;
            for (int r = 0; r < size; ++r) parts.push_back(value(i + r));
            expected = tree_sum(parts);
          }
          wrong += data[static_cast<std::size_t>(i)] == expected ? 0 : 1;
        }
        EXPECT_EQ(wrong, 0) << size << " ranks, " << unit;
      });
    }
  }
}

TEST(World, TreesOfRanksAndOfTheirPartsAgree) {
  std::vector<float> leaves;
  for (int i = 0; i < 8; ++i) leaves.push_back(value(i));
  for (const std::size_t ranks : {1u, 2u, 4u, 8u}) {
    std::vector<float> of_ranks;
    const std::size_t own = leaves.size() / ranks;
    for (std::size_t r = 0; r < ranks; ++r)
      of_ranks.push_back(tree_sum(std::vector<float>(leaves.begin() + static_cast<std::ptrdiff_t>(r * own),
                                                     leaves.begin() + static_cast<std::ptrdiff_t>((r + 1) * own))));
    EXPECT_EQ(tree_sum(of_ranks), tree_sum(leaves));
  }
}

TEST(World, GathersAndCollectsPieces) {
  for (const std::int64_t unit : {4, 3'000'001}) {
    as_ranks(4, [&](World& world) {
      const std::vector<std::int64_t> bounds = bounds_of(4, unit);
      std::vector<double> data(static_cast<std::size_t>(bounds.back()), -1);
      const auto begin = data.begin() + bounds[static_cast<std::size_t>(world.rank())];
      const auto end = data.begin() + bounds[static_cast<std::size_t>(world.rank()) + 1];
      std::fill(begin, end, world.rank());
      world.all_gather(std::span(data), bounds);
      std::vector<float> collected(world.is_root() ? data.size() : 0, -1);
      const std::vector<float> own(begin, end);
      if (world.is_root()) std::ranges::copy(own, collected.begin() + bounds[0]);
      world.collect(own, collected, bounds);
      std::int64_t wrong = 0;
      for (std::size_t r = 0; r < 4; ++r) {
        for (std::int64_t i = bounds[r]; i < bounds[r + 1]; ++i) {
          const auto at = static_cast<std::size_t>(i);
          wrong += data[at] == static_cast<double>(r) ? 0 : 1;
          wrong += !world.is_root() || collected[at] == static_cast<float>(r) ? 0 : 1;
        }
      }
      EXPECT_EQ(wrong, 0);
    });
  }
}

TEST(World, DoesLaterWorkInOrderBesideItsCaller) {
  as_ranks(3, [](World& world) {
    std::vector<std::future<void>> works;
    std::vector<int> order;
    for (int i = 0; i < 20; ++i) {
      works.push_back(world.later([&, i] {
        EXPECT_EQ(world.gather(i), (std::vector<int>{i, i, i}));
        order.push_back(i);
      }));
    }
    for (std::future<void>& work : works) work.get();
    std::vector<int> expected(20);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(order, expected);
  });
}

TEST(World, ReadsTheNumberOfProcessesThatALauncherStarted) {
  const auto with = [](const char* name, const char* value) {
    ::setenv(name, value, 1);
    const int count = find_launch().size;
    ::unsetenv(name);
    return count;
  };
  EXPECT_EQ(find_launch().size, 1);
  EXPECT_EQ(with("OMPI_COMM_WORLD_SIZE", "4"), 4);
  EXPECT_EQ(with("PMI_SIZE", "3"), 3);
  EXPECT_EQ(with("SLURM_STEP_NUM_TASKS", "2"), 2);
  EXPECT_EQ(with("OMPI_COMM_WORLD_SIZE", "many"), 1);
  ::setenv("PMI_RANK", "2", 1);
  ::setenv("PMI_SIZE", "3", 1);
  EXPECT_EQ(find_launch().rank, 2);
  ::unsetenv("PMI_RANK");
  ::unsetenv("PMI_SIZE");
}

}  // namespace
}  // namespace kiln
