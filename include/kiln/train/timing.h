// Times a config's steps, evaluations and samples on random tokens, for `plan` and `bench`.
#pragma once

#include "kiln/run/config.h"
#include "kiln/train/train_step.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace kiln {

/// Returns the median of at least one value, in any order; of an even number the upper one.
double median(std::vector<double> values);

struct StepTimes {
  std::vector<double> seconds;          // of each step, ascending
  std::map<std::string, double> parts;  // mean seconds per step, by the names of core/profile

  double median() const { return kiln::median(seconds); }
};

/// How long to time: at least `least` steps, then until `seconds` have passed or `most` steps are done.
struct TimingLimits {
  double seconds = 2.0;
  std::size_t least = 1;
  std::size_t most = 200;
  std::function<void()> on_step = {};  // called after each step, if set
};

/// Times steps. Takes the memory of training. Excludes the first step, which touches the memory and creates the matrix
/// products. Several ranks time steps that they share, limits.least of them.
StepTimes time_steps(const Config& config, Index vocab_size, const BatchSizes& sizes, const TimingLimits& limits,
                     World& world = World::alone());

/// Returns the tokens per second that an evaluation scores. Takes the memory of weights and evaluation.
double time_evaluation(Config config, Index vocab_size);

struct GenerationSpeed {
  double prompt_tokens_per_second = 0;  // median of several prompts, each up to its first token
  double decode_tokens_per_second = 0;  // one sequence, one token at a time, by the median token
};

/// Times generation with random weights in this precision: prompts of 128 tokens, or half the context if that is less,
/// then `decoded` tokens, or the rest of the context if that is less.
GenerationSpeed time_generation(Config config, Index vocab_size, Precision precision, Index decoded);

/// Returns the tokens per second that `together` sequences draw, all together, after their prompts: `decoded` each, or
/// the rest of the context if that is less: the median of the steps in which all draw. Prompts as time_generation's,
/// all different.
double time_batched_decoding(Config config, Index vocab_size, Precision precision, Index together, Index decoded);

/// Returns the operations per second that this machine's multiply-adds reach in this precision, measured in about
/// 30 ms. Measures fp32 if the CPU has no bf16 instructions.
double measure_peak(Precision precision);

}  // namespace kiln
