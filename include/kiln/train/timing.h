// Real steps of a config on random tokens, timed: what `plan` foretells by and `bench` reports.
#pragma once

#include "kiln/run/config.h"
#include "kiln/train/stepper.h"

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
};

/// Takes the memory of training. The first step is not counted: it touches the memory and makes the matrix products.
StepTimes time_steps(const Config& config, Index vocab_size, const BatchSizes& sizes, const TimingLimits& limits);

/// Operations a second that this machine's multiply-adds reach in this precision, measured in some 30 ms: what a step's
/// speed is a share of. That of fp32 where bf16 has no instructions.
double measure_peak(Precision precision);

}  // namespace kiln
