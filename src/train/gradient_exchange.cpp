// Gives the world one piece of work for each region.
#include "kiln/train/gradient_exchange.h"

#include "kiln/core/profile.h"
#include "kiln/core/stopwatch.h"
#include "kiln/core/threads.h"

#include <optional>
#include <span>
#include <utility>

namespace kiln {

GradientExchange::GradientExchange(World& world, const Partition& partition, Gradients<float>& gradients,
                                   GradientNorm& norm)
    : world_(world), partition_(partition), gradients_(gradients), norm_(norm) {}

GradientExchange::~GradientExchange() {
  for (std::vector<std::future<void>>* const messages : {&sent_, &arriving_}) {
    for (std::future<void>& message : *messages) {
      if (message.valid()) message.wait();
    }
  }
}

void GradientExchange::begin(Kept kept) {
  kept_ = kept;
  unsent_ = partition_.regions().size();
  gradients_.set_listener([this](Index offset) { send_from(offset); });
}

double GradientExchange::finish() {
  gradients_.set_listener(nullptr);
  const Timed timed(world_.size() > 1 ? "communication" : "optimizer");  // one process takes the norm alone
  gradients_.finish();
  send_from(0);
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
  std::optional<SingleThreadScope> beside_the_backward;
  if (world_.size() > 1) beside_the_backward.emplace();
  const auto rank = static_cast<std::size_t>(world_.rank());
  const std::span<float> gradients(gradients_.data(), static_cast<std::size_t>(gradients_.layout().extent()));
  world_.reduce_scatter(gradients, region.elements);
  norm_.add(gradients_, region.chunks[rank], region.chunks[rank + 1]);
  world_.all_gather(norm_.squares(), region.chunks);
  if (kept_ == Kept::all) world_.all_gather(gradients, region.elements);
}

void GradientExchange::share_weights(Weights weights) {
  arrived_ = 0;
  arriving_.clear();
  for (const Partition::Region& region : partition_.regions()) {
    arriving_.push_back(world_.later([this, weights, &region] {
      ParameterBuffer<float>& masters = weights.masters();
      world_.all_gather(std::span(masters.data(), static_cast<std::size_t>(masters.layout().extent())),
                        region.elements);
      for (Index i = region.chunks.front(); i < region.chunks.back(); ++i) {
        const Chunk& chunk = partition_.chunks()[static_cast<std::size_t>(i)];
        weights.round(chunk.id, chunk.begin, chunk.count);
      }
    }));
  }
}

void GradientExchange::wait_for(int end) {
  const Stopwatch stopwatch;
  for (; arrived_ < arriving_.size(); ++arrived_) {
    const auto first = static_cast<std::size_t>(partition_.regions()[arrived_].chunks.front());
    if (partition_.chunks()[first].id.index >= end) break;
    arriving_[arrived_].get();
  }
  waited_ += stopwatch.seconds();
}

double GradientExchange::take_waited() { return std::exchange(waited_, 0.0); }

}  // namespace kiln
