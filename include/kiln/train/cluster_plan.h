// Predicts how long a step takes that several ranks share over a network.
#pragma once

#include "kiln/nn/language_model.h"
#include "kiln/run/config.h"

#include <string_view>

namespace kiln {

/// What joins two machines.
struct Network {
  double bytes_per_second = 0;  // each way
  double latency_seconds = 0;   // of a message, one way
};

/// Parses "10Gbit/s,50us", or a rate alone. Units: kbit/s, Mbit/s, Gbit/s, kB/s, MB/s, GB/s; us, ms, s. Throws Error
/// (usage) for other text.
Network parse_network(std::string_view text);

/// What one rank's part of a step costs.
struct RankCosts {
  double compute_seconds = 0;    // forward and backward of a rank's part
  double micro_batches = 1;      // of that part
  double optimizer_seconds = 0;  // for all parameters
  double threads = 1;            // that compute; one of them is disturbed by sending
  double memory_bandwidth = 0;   // bytes per second, at which gradients are added up
};

/// A step of several ranks.
struct SharedStep {
  int ranks = 1;
  double seconds = 0;
  double compute_seconds = 0;        // forward, backward and optimizer of a rank
  double communication_seconds = 0;  // of a rank, most of it beside the computing
  double waiting_seconds = 0;        // of the communication, what the computing waits for
  double bytes_sent = 0;             // by a rank
};

/// Plays a step as GradientExchange takes it: gradients leave region by region as the backward goes on, and weights
/// arrive as the next forward does.
SharedStep plan_shared_step(const Config& config, const ParameterLayout& layout, int ranks, const Network& network,
                            const RankCosts& costs);

}  // namespace kiln
