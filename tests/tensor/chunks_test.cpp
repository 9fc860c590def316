// How ranks share the parameters of a layout.
#include "kiln/tensor/chunks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace kiln {
namespace {

bool any_parameter(const Parameter&) { return true; }
bool only_vectors(const Parameter& parameter) { return parameter.is_vector(); }

/// A layout with parameters of several chunks, and of less than one.
ParameterLayout layout_of_layers(Index layers) {
  ParameterLayout layout;
  layout.matrix({Module::wte}, 1001, 97);
  for (Index layer = 0; layer < layers; ++layer) {
    layout.vector({Module::ln_1, layer}, 97);
    layout.matrix({Module::c_fc, layer}, 97, 401);
    layout.vector({Module::c_fc, layer, TensorKind::bias}, 401);
    layout.matrix({Module::mlp_c_proj, layer}, 401, 97);
  }
  return layout;
}

TEST(Chunks, CoverEachParameterInOrder) {
  const ParameterLayout layout = layout_of_layers(2);
  Index count = 0;
  const Chunk* before = nullptr;
  const std::vector<Chunk> chunks = make_chunks(layout);
  for (const Chunk& chunk : chunks) {
    EXPECT_LE(chunk.count, kChunkElements);
    const bool continues = before != nullptr && before->id.index == chunk.id.index;
    EXPECT_EQ(chunk.begin, continues ? before->begin + before->count : 0);
    count += chunk.count;
    before = &chunk;
  }
  EXPECT_EQ(count, layout.count());
}

TEST(Partition, GivesEachChunkToOneRank) {
  const ParameterLayout layout = layout_of_layers(9);
  for (const int ranks : {1, 2, 3, 4, 7, 16}) {
    const Partition partition(layout, ranks, any_parameter);
    Index chunk = 0, offset = 0;
    for (const Partition::Region& region : partition.regions()) {
      ASSERT_EQ(std::ssize(region.chunks), ranks + 1);
      EXPECT_EQ(region.chunks.front(), chunk);
      EXPECT_EQ(region.begin(), offset);
      EXPECT_TRUE(std::ranges::is_sorted(region.chunks));
      EXPECT_EQ(partition.chunks()[static_cast<std::size_t>(chunk)].begin, 0);  // of a whole parameter
      for (std::size_t r = 0; r < region.chunks.size(); ++r) {
        const auto i = static_cast<std::size_t>(region.chunks[r]);
        if (i == partition.chunks().size()) continue;
        const Chunk& first = partition.chunks()[i];
        EXPECT_EQ(region.elements[r], layout[first.id].offset + first.begin);
      }
      chunk = region.chunks.back();
      offset = region.end();
    }
    EXPECT_EQ(chunk, std::ssize(partition.chunks()));
    EXPECT_EQ(offset, layout.extent());
    EXPECT_EQ(ranks == 1, partition.regions().size() == 1);
  }
}

TEST(Partition, SharesAreSlicesOfAboutEqualSize) {
  const ParameterLayout layout = layout_of_layers(9);
  for (const int ranks : {2, 3, 4}) {
    const Partition partition(layout, ranks, any_parameter);
    Index count = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const ParameterLayout share = partition.share(rank);
      count += share.count();
      EXPECT_NEAR(static_cast<double>(share.count()) * ranks / static_cast<double>(layout.count()), 1, 0.25);
      for (const Parameter& slice : share.parameters()) {
        const Parameter& whole = layout[slice.id];
        EXPECT_EQ(slice.role, whole.role);
        EXPECT_EQ(slice.first % kChunkElements, 0);
        EXPECT_LE(slice.first + slice.size(), whole.size());
        EXPECT_EQ(slice.rows, slice.size() == whole.size() ? whole.rows : 1);
      }
    }
    EXPECT_EQ(count, layout.count());
  }
}

TEST(Partition, KeepsMatricesWhole) {
  const ParameterLayout layout = layout_of_layers(9);
  for (const int ranks : {2, 3, 4}) {
    const Partition partition(layout, ranks, only_vectors);
    for (int rank = 0; rank < ranks; ++rank) {
      const ParameterLayout share = partition.share(rank);
      for (const Parameter& slice : share.parameters()) EXPECT_EQ(slice.size(), layout[slice.id].size());
      EXPECT_GT(share.count(), layout.count() / ranks / 2);
    }
  }
}

}  // namespace
}  // namespace kiln
