// Adds up the gradients of all ranks, during the backward.
#pragma once

#include "kiln/core/world.h"
#include "kiln/optim/clip.h"
#include "kiln/tensor/chunks.h"
#include "kiln/tensor/parameters.h"

#include <cstddef>
#include <future>
#include <vector>

namespace kiln {

/// What a rank has of a sum over all ranks.
enum class Kept { share, all };

/// Sends each region of a partition as soon as the backward is done with it: all ranks reach the regions in the same
/// order. The weights come back during the next forward. All arguments must outlive the object.
class GradientExchange final : public Arrivals {
 public:
  GradientExchange(World& world, const Partition& partition, Gradients<float>& gradients, GradientNorm& norm);
  /// Waits for the messages under way, which write to memory that is freed next if an error has ended the run.
  ~GradientExchange() override;

  /// Says that only one more backward of the step adds to the gradients, or none.
  void begin(Kept kept);

  /// Sends the rest and waits for all. The rank's share of the gradients, or all of them, are then sums over all ranks,
  /// and the norm has the squares of all chunks. Returns the seconds that it waited.
  double finish();

  /// Begins to give all ranks what each has moved of the weights, which lie as the gradients do.
  void share_weights(Weights weights);
  /// Waits until the weights of all parameters whose id is below `end` are there.
  void wait_for(int end) override;
  /// Returns the seconds that wait_for() has taken since the last call.
  double take_waited();

 private:
  void send_from(Index offset);
  void add_up(const Partition::Region& region);

  World& world_;
  const Partition& partition_;
  Gradients<float>& gradients_;
  GradientNorm& norm_;
  Kept kept_ = Kept::share;
  std::size_t unsent_ = 0;  // regions, from the first on
  std::vector<std::future<void>> sent_;
  std::vector<std::future<void>> arriving_;  // weights, by region
  std::size_t arrived_ = 0;                  // regions of weights, from the first on
  double waited_ = 0;
};

}  // namespace kiln
