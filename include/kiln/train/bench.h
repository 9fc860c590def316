// Measures how fast this machine trains and samples a config, relative to the machine's limits.
#pragma once

#include "kiln/core/world.h"
#include "kiln/run/config.h"
#include "kiln/train/cluster_plan.h"
#include "kiln/train/timing.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace kiln {

/// The machine's measured limits, with all threads.
struct MachineLimits {
  double fp32_flops = 0, bf16_flops = 0;  // per second
  double bytes_per_second = 0;            // of memory, triad
};

struct BenchReport {
  MachineLimits machine;
  Precision precision = Precision::fp32;
  double step_seconds = 0;  // median
  double fastest_seconds = 0, slowest_seconds = 0;
  std::size_t steps = 0;
  double tokens_per_second = 0;
  double flops_per_second = 0;                       // of the model: training_flops_per_token
  std::map<std::string, double> parts;               // mean seconds per step; "other" is the rest
  std::uint64_t training_peak_bytes = 0;             // the process's peak after the steps
  std::optional<GenerationSpeed> generation;         // of a language model
  std::map<Index, double> batched_decoding;          // tokens per second of so many sequences together
  std::optional<double> tokenizer_bytes_per_second;  // encoding data.train, if it can be read

  std::optional<double> waited_share;  // of the time measured; see core/contention.h

  /// Returns flops_per_second relative to the machine's limit in this precision.
  double share_of_peak() const {
    return flops_per_second / (precision == Precision::bf16 ? machine.bf16_flops : machine.fp32_flops);
  }
};

/// Measures of ranks that train together, and what the plan of a cluster makes of them.
struct DistributedReport {
  int ranks = 1;
  Network network;           // between these ranks
  double alone_seconds = 0;  // of a rank's part of a step, while the others take theirs
  double step_seconds = 0;   // of a step that they share, the median
  SharedStep planned;        // from these parts
};

/// Times `steps` steps of each rank alone and of all together, and the messages between them. All ranks call it, and
/// all have the root's result. Throws Error (usage) if a step has fewer windows than ranks.
DistributedReport run_distributed_bench(const Config& config, std::size_t steps, World& world);

/// Times at least `steps` steps of training on random tokens, then generation with random weights, then the tokenizer.
/// The vocabulary size is `tokenizer.vocab_size`. Throws Error (usage) if the config does not fit into memory.
BenchReport run_bench(const Config& config, std::size_t steps);

}  // namespace kiln
