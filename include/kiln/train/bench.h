// How fast this machine trains and samples a config, held against what the machine can do.
#pragma once

#include "kiln/run/config.h"
#include "kiln/train/timing.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace kiln {

/// The machine's measured ceilings, with all threads.
struct MachineLimits {
  double fp32_flops = 0, bf16_flops = 0;  // a second
  double bytes_per_second = 0;            // of memory, triad
};

struct BenchReport {
  MachineLimits machine;
  Precision precision = Precision::fp32;
  double step_seconds = 0;  // median
  double fastest_seconds = 0, slowest_seconds = 0;
  std::size_t steps = 0;
  double tokens_per_second = 0;
  double flops_per_second = 0;            // of the model: training_flops_per_token
  std::map<std::string, double> parts;    // mean seconds a step; "other" is what no part books
  std::uint64_t training_peak_bytes = 0;  // the process's peak after the steps
  GenerationSpeed generation;
  std::optional<double> tokenizer_bytes_per_second;  // encoding data.train; nothing where that cannot be read

  std::optional<double> waited_share;  // of the time measured; see core/contention.h

  /// Of the ceiling of this precision.
  double share_of_peak() const {
    return flops_per_second / (precision == Precision::bf16 ? machine.bf16_flops : machine.fp32_flops);
  }
};

/// Times at least `steps` steps of training on random tokens, then generation by random weights, then the tokenizer.
/// The vocabulary is the config's `tokenizer.vocab_size`. Throws Error (usage) where the config does not fit into
/// memory.
BenchReport run_bench(const Config& config, std::size_t steps);

}  // namespace kiln
