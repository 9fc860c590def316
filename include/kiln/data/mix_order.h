// Orders the examples of a run, which come from one source or, in fixed shares, from several.
#pragma once

#include "kiln/data/data_order.h"
#include "kiln/tensor/view.h"

#include <cstdint>
#include <vector>

namespace kiln {

/// The examples that a source has, at least one, and its share of those that are drawn.
struct MixedSource {
  Index size = 0;
  double weight = 1;
};

/// The examples of a run, numbered from 0 at step 0 and continued over the epochs. Each is a pure function of the seed
/// and its number.
class MixOrder {
 public:
  /// With sizes n and weights w, an epoch draws source i round(w_i * max(n/w)) times: the source with the largest n/w
  /// once whole, the others once or more. The draws of a source are evenly spread over the epoch. Throws Error (usage)
  /// if an epoch has too many.
  MixOrder(std::vector<MixedSource> sources, DataOrder order, std::uint64_t seed);

  /// Returns the examples of an epoch.
  Index epoch() const { return epoch_; }

  /// Returns how many of them source i has.
  Index draws(Index i) const { return sources_[static_cast<std::size_t>(i)].draws; }

  /// Returns the place of example `number` of the run in the list of all sources' examples, source after source. The
  /// d-th draw from a source of n is its example d mod n (sequential), that of a new permutation for each pass over the
  /// source (shuffle), or an independent draw (random).
  Index example(Index number);

 private:
  struct Source {
    Index first;  // in the list of all examples
    Index size;
    Index draws;                     // of an epoch
    std::vector<Index> permutation;  // of `pass`; shuffle only
    Index pass = -1;
  };
  /// An example of an epoch.
  struct Draw {
    std::uint32_t source;
    std::uint32_t number;  // among the source's draws of an epoch
  };

  void spread();
  Index shuffled(std::size_t source, Index draw);

  std::vector<Source> sources_;
  DataOrder order_;
  std::uint64_t seed_;
  Index epoch_ = 0;
  std::vector<Draw> draws_;  // of an epoch; empty with one source, whose draws are all
};

}  // namespace kiln
