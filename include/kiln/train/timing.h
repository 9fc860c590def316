// A config's steps, evaluations and samples on random tokens, timed: what `plan` predicts from and `bench` reports.
#pragma once

#include "kiln/run/config.h"
#include "kiln/train/stepper.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace kiln {

/// The middle one of some values, at least one, in any order; of an even number the upper one.
double median(std::vector<double> values);

struct StepTimes {
  std::vector<double> seconds;          // of each step, ascending
  std::map<std::string, double> parts;  // mean seconds a step, by the names that core/profile books

  double median() const { return kiln::median(seconds); }
};

/// How long to go on: at least `least` steps, then until `seconds` have passed or there are `most`.
struct TimingLimits {
  double seconds = 2.0;
  std::size_t least = 1;
  std::size_t most = 200;
  std::function<void()> on_step = {};  // called after each, where there is something to call
};

/// Takes the memory of training. The first step is not counted: it touches the memory and makes the matrix products.
StepTimes time_steps(const Config& config, Index vocab_size, const BatchSizes& sizes, const TimingLimits& limits);

/// Tokens a second that an evaluation scores. Takes the memory of weights and evaluation.
double time_evaluation(const Config& config, Index vocab_size);

struct GenerationSpeed {
  double prompt_tokens_per_second = 0;  // median of several prompts, each up to its first token
  double decode_tokens_per_second = 0;  // one sequence, one token at a time, by the median token
};

/// Generates by random weights in this precision: prompts of 128 tokens, then `decoded` tokens, or half the context of
/// either where that is less.
GenerationSpeed time_generation(const Config& config, Index vocab_size, Precision precision, Index decoded);

/// Operations a second that this machine's multiply-adds reach in this precision, measured in some 30 ms: what a step's
/// speed is a share of. That of fp32 where bf16 has no instructions.
double measure_peak(Precision precision);

}  // namespace kiln
