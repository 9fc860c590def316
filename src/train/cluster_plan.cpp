// Keeps two clocks, of computing and of the network, and lets each wait for the other.
#include "kiln/train/cluster_plan.h"

#include "kiln/core/error.h"
#include "kiln/optim/optimizer.h"
#include "kiln/tensor/chunks.h"
#include "kiln/train/train_step.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace kiln {
namespace {

constexpr double kForwardShare = 1.0 / 3;  // of forward and backward
constexpr double kMessageBytes = 1 << 24;  // that a rank receives at a time (core/world)
constexpr double kBytesPerAddition = 12;   // two floats read, one written
constexpr double kSendingSpeed = 2e9;      // bytes that a core sends and receives in a second, about
constexpr double kSmallExchanges = 5;      // of a step, which agree on sums, norm, time and stop

struct Unit {
  std::string_view name;
  double factor;
};
constexpr std::array<Unit, 6> kRates{
    {{"kbit/s", 1e3 / 8}, {"Mbit/s", 1e6 / 8}, {"Gbit/s", 1e9 / 8}, {"kB/s", 1e3}, {"MB/s", 1e6}, {"GB/s", 1e9}}};
constexpr std::array<Unit, 3> kTimes{{{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}}};

/// Returns the value of "10Gbit/s" in terms of these units; nullopt for other text.
template <std::size_t N>
std::optional<double> parse_quantity(std::string_view text, const std::array<Unit, N>& units) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !(value >= 0)) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& known : units) {
    if (known.name == unit) return value * known.factor;
  }
  return std::nullopt;
}

/// The elements of a region, and its share of the multiplications of a forward.
struct RegionWork {
  double elements = 0, share = 0;
};

std::vector<RegionWork> work_of_regions(const ParameterLayout& layout, const Partition& partition) {
  std::vector<RegionWork> regions;
  double all = 0;
  for (const Partition::Region& region : partition.regions()) {
    RegionWork& work = regions.emplace_back();
    for (Index i = region.chunks.front(); i < region.chunks.back(); ++i) {
      const Chunk& chunk = partition.chunks()[static_cast<std::size_t>(i)];
      const auto count = static_cast<double>(chunk.count);
      work.elements += count;
      if (is_hidden_matrix(layout[chunk.id].role)) work.share += count;
    }
    all += work.share;
  }
  for (RegionWork& work : regions) work.share /= std::max(all, 1.0);
  return regions;
}

/// Times what a rank sends.
class Sending {
 public:
  Sending(int ranks, const Network& network, double memory_bandwidth)
      : ranks_(ranks), network_(network), memory_bandwidth_(memory_bandwidth) {}

  /// Returns the seconds in which each rank gives every other one its piece of so many elements, or takes theirs.
  double pieces(double elements) const {
    if (ranks_ == 1) return 0;
    const double bytes = elements * sizeof(float) * (ranks_ - 1) / ranks_;
    const double messages = std::ceil(elements * sizeof(float) / kMessageBytes);
    return bytes / network_.bytes_per_second + messages * network_.latency_seconds;
  }
  /// The same if the pieces are then added up, and the squares of their chunks are exchanged.
  double sums(double elements) const {
    if (ranks_ == 1) return 0;
    return pieces(elements) + kBytesPerAddition * elements * (ranks_ - 1) / ranks_ / memory_bandwidth_ +
           network_.latency_seconds;
  }

 private:
  int ranks_;
  const Network& network_;
  double memory_bandwidth_;
};

}  // namespace

Network parse_network(std::string_view text) {
  const std::size_t comma = std::min(text.find(','), text.size());
  const std::optional<double> rate = parse_quantity(text.substr(0, comma), kRates);
  const std::optional<double> latency =
      comma < text.size() ? parse_quantity(text.substr(comma + 1), kTimes) : std::optional(0.0);
  check(rate && *rate > 0 && latency, "\"{}\" is not a network; a rate and a latency are expected, as in 10Gbit/s,50us",
        text);
  return {*rate, *latency};
}

SharedStep plan_shared_step(const Config& config, const ParameterLayout& layout, int ranks, const Network& network,
                            const RankCosts& costs) {
  const ParameterLayout trained = trainable_parameters(config.train, layout);
  const Partition partition(trained, ranks, may_be_cut(config.optimizer));
  const std::vector<RegionWork> regions = work_of_regions(trained, partition);
  const Sending sending(ranks, network, costs.memory_bandwidth);
  const bool shards = shares_state(config, trained, layout, ranks);
  const double of_batch = costs.compute_seconds / costs.micro_batches;
  SharedStep step{.ranks = ranks};

  if (config.distributed.is_local()) {
    const auto each = static_cast<double>(config.distributed.local_steps);
    for (const RegionWork& region : regions) {
      step.communication_seconds += (sending.sums(region.elements) + sending.pieces(region.elements)) / each;
      step.bytes_sent += 2 * region.elements * sizeof(float) * (ranks - 1) / ranks / each;
    }
    step.compute_seconds = costs.compute_seconds + costs.optimizer_seconds;
    // Nothing is computed meanwhile.
    step.waiting_seconds = step.communication_seconds;
    step.seconds = step.compute_seconds + step.waiting_seconds;
    return step;
  }

  // The weights of the step before begin to arrive at 0.
  double now = 0, network_free = 0;
  for (const RegionWork& region : regions) {
    const double seconds = shards ? sending.pieces(region.elements) : 0;
    network_free += seconds;
    step.communication_seconds += seconds;
    step.bytes_sent += shards ? region.elements * sizeof(float) * (ranks - 1) / ranks : 0;
    now = std::max(now, network_free) + kForwardShare * of_batch * region.share;
  }
  now += (costs.micro_batches - 1) * of_batch;  // other micro-batches wait for nothing
  for (auto region = regions.rbegin(); region != regions.rend(); ++region) {
    now += (1 - kForwardShare) * of_batch * region->share;
    double seconds = sending.sums(region->elements);
    if (!shards) seconds += sending.pieces(region->elements);
    network_free = std::max(network_free, now) + seconds;
    step.communication_seconds += seconds;
    step.bytes_sent += (shards ? 1 : 2) * region->elements * sizeof(float) * (ranks - 1) / ranks;
  }
  now = std::max(now, network_free);
  if (ranks > 1) {
    const double agreeing = kSmallExchanges * network.latency_seconds;
    now += agreeing;
    step.communication_seconds += agreeing;
  }
  const double optimizer = costs.optimizer_seconds / (shards ? ranks : 1);
  step.compute_seconds = costs.compute_seconds + optimizer;
  const double sending_speed = std::max(kSendingSpeed, network.bytes_per_second);  // that of memory, within a machine
  step.seconds = now + optimizer + step.bytes_sent / sending_speed / costs.threads;
  step.waiting_seconds = step.seconds - step.compute_seconds;
  return step;
}

}  // namespace kiln
