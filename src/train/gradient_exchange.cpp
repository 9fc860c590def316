// Gives the world one piece of work for each region.
#include "kiln/train/gradient_exchange.h"

#include "kiln/core/profile.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/threads.h"

namespace kiln {

GradientExchange::GradientExchange(World& world, const Partition& partition, Gradients<float>& gradients,
                                   GradientNorm& norm)
    : world_(world), partition_(partition), gradients_(gradients), norm_(norm) {}

void GradientExchange::begin(Kept kept) {
  kept_ = kept;
  unsent_ = partition_.regions().size();
  gradients_.set_listener([this](Index offset) { send_from(offset); });
}

double GradientExchange::finish() {
  gradients_.set_listener(nullptr);
  gradients_.finish();
  send_from(0);
  const Timed timed("communication");
  const Stopwatch stopwatch;
  for (std::future<void>& region : sent_) region.get();
  sent_.clear();
  return stopwatch.seconds();
}

/// Sends the unsent regions that lie from `offset` on.
void GradientExchange::send_from(Index offset) {
  const std::vector<Partition::Region>& regions = partition_.regions();
  for (; unsent_ > 0 && regions[unsent_ - 1].begin() >= offset; --unsent_) {
    sent_.push_back(world_.later([this, &region = regions[unsent_ - 1]] { add_up(region); }));
  }
}

void GradientExchange::add_up(const Partition::Region& region) {
  const SingleThreadScope beside_the_backward;
  const auto rank = static_cast<std::size_t>(world_.rank());
  const std::span<float> gradients(gradients_.data(), static_cast<std::size_t>(gradients_.layout().extent()));
  world_.reduce_scatter(gradients, region.elements);
  norm_.add(gradients_, region.chunks[rank], region.chunks[rank + 1]);
  world_.all_gather(norm_.squares(), region.chunks);
  if (kept_ == Kept::all) world_.all_gather(gradients, region.elements);
}

double GradientExchange::share_weights(Weights weights) {
  const Timed timed("communication");
  const Stopwatch stopwatch;
  ParameterBuffer<float>& masters = weights.masters();
  const std::span<float> all(masters.data(), static_cast<std::size_t>(masters.layout().extent()));
  for (const Partition::Region& region : partition_.regions()) world_.all_gather(all, region.elements);
  weights.round();
  return stopwatch.seconds();
}

}  // namespace kiln
