// Cuts the parameters of a layout into chunks, and shares these among ranks.
#pragma once

#include "kiln/tensor/parameters.h"

#include <vector>

namespace kiln {

inline constexpr Index kChunkElements = 8192;  // whole cache lines; small enough to share out 100,000 parameters

/// A range of elements of one parameter, of kChunkElements or, at the parameter's end, fewer.
struct Chunk {
  ParameterId id;
  Index begin;  // in the whole parameter
  Index count;
};

/// Cuts the layout's parameters into chunks, which depend on the layout alone.
std::vector<Chunk> make_chunks(const ParameterLayout& layout);

/// Returns a chunk's elements in a buffer that has them.
template <class Buffer>
auto* elements(Buffer& buffer, const Chunk& chunk) {
  return buffer.vec(chunk.id).data() + (chunk.begin - buffer.layout()[chunk.id].first);
}

/// Whether a matrix may be cut between ranks: not where its update reads all of it (Muon).
using MayCut = bool (*)(const Parameter& parameter);

/// Shares a layout's chunks among ranks. A region is some whole parameters that follow each other; each rank has a
/// piece of each region, so that all ranks send and receive alike as soon as a region's gradient is complete.
class Partition {
 public:
  struct Region {
    std::vector<Index> chunks;    // where each rank's piece begins, and the end of the last: indices of chunks
    std::vector<Index> elements;  // the same as offsets in a buffer over the layout

    Index begin() const { return elements.front(); }
    Index end() const { return elements.back(); }
  };

  /// `ranks` pieces of about equal size.
  Partition(const ParameterLayout& layout, int ranks, MayCut may_cut);

  const std::vector<Chunk>& chunks() const { return chunks_; }
  const std::vector<Region>& regions() const { return regions_; }

  /// Returns the rank's share of the layout: slices of its parameters, under their ids.
  ParameterLayout share(int rank) const;

 private:
  const ParameterLayout* layout_;
  std::vector<Chunk> chunks_;
  std::vector<Region> regions_;
};

}  // namespace kiln
