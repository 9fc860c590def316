// Resolves and validates the settings of a run.
#include "kiln/run/train_config.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <fnmatch.h>
#include <limits>
#include <thread>
#include <vector>

namespace kiln {
namespace {

constexpr int kMostThreads = 1024;
constexpr double kEvaluatedShare = 0.3;  // of the tokens trained between two evaluations
constexpr std::int64_t kEverything = std::numeric_limits<std::int64_t>::max();

}  // namespace

void TrainConfig::resolve() {
  if (!steps && !epochs && !time_budget) steps = kDefaultSteps;
}

std::int64_t TrainConfig::most_evaluated_tokens(std::int64_t n_ctx) const {
  if (eval_tokens.all || (eval_tokens.automatic && batch_size.all)) return kEverything;
  if (!eval_tokens.automatic) return eval_tokens.count;
  const std::int64_t interval = std::min(std::max<std::int64_t>(eval_every, 1), steps.value_or(kEverything));
  const double windows = static_cast<double>(interval) * static_cast<double>(batch_size.count) *
                         static_cast<double>(gradient_accumulation);
  const std::int64_t ceiling = kEverything / 2 / n_ctx;
  const double most = std::clamp(kEvaluatedShare * windows, 1.0, static_cast<double>(ceiling));
  return static_cast<std::int64_t>(most) * n_ctx;
}

void TrainConfig::validate(Problems& problems, const std::string& pointer) const {
  if (threads > kMostThreads) {
    problems.add(child_pointer(pointer, "threads"),
                 "{} is out of range; 0 (one per core) to {} is expected, and this machine has {}", threads,
                 kMostThreads, counted(std::thread::hardware_concurrency(), "core"));
  }
  std::vector<std::string> lengths;
  if (steps) lengths.push_back(fmt::format("steps = {}", *steps));
  if (epochs) lengths.push_back(fmt::format("epochs = {}", *epochs));
  if (time_budget) lengths.push_back(fmt::format("time_budget = {} s", time_budget->seconds));
  if (lengths.size() > 1) {
    problems.add(child_pointer(pointer, time_budget ? "time_budget" : "epochs"),
                 "{} are given together; keep one of them and set the others to null", fmt::join(lengths, " and "));
  }
  if (batch_size.all && gradient_accumulation != 1) {
    problems.add(child_pointer(pointer, "gradient_accumulation"),
                 "{} micro-batches of batch_size \"all\" would be the same one each time; 1 is expected",
                 gradient_accumulation);
  }
  if (sample_at_evaluations && eval_every == 0) {
    problems.add(child_pointer(pointer, "sample_at_evaluations"),
                 "needs evaluations, but eval_every is 0; sample_every works without them");
  }
  if (early_stopping && eval_every == 0) {
    problems.add(child_pointer(pointer, "early_stopping"), "counts evaluations, but eval_every is 0");
  }
}

void check_targets(const LoraConfig& lora, const ParameterLayout& layout) {
  if (!lora.is_on()) return;
  for (const std::string& target : lora.targets) {
    LoraConfig alone = lora;
    alone.targets = {target};
    const auto is_target = [&](const Parameter& p) {
      return is_hidden_matrix(p.role) && !is_adapter(p) && alone.adapts(p.name);
    };
    check(
        std::ranges::any_of(layout.parameters(), is_target),
        "lora.targets: no linear layer's weight is named \"{}\"; name some as in \"h.*.attn.*\", or all by \"linear\"",
        target);
  }
}

ParameterLayout saved_parameters(const ParameterLayout& layout) {
  const bool adapted = std::ranges::any_of(layout.parameters(), is_adapter);
  return layout.subset([&](const Parameter& p) { return !adapted || trains_with_adapters(p); });
}

ParameterLayout trainable_parameters(const TrainConfig& config, const ParameterLayout& layout) {
  const auto is_named = [](const std::string& pattern, const Parameter& p) {
    return ::fnmatch(pattern.c_str(), p.name.c_str(), 0) == 0;
  };
  for (const std::string& pattern : config.freeze) {
    check(std::ranges::any_of(layout.parameters(), [&](const Parameter& p) { return is_named(pattern, p); }),
          "train.freeze: no tensor is named \"{}\"; kiln gradcheck lists the names, such as {} and {}", pattern,
          layout.parameters().front().name, layout.parameters().back().name);
  }
  ParameterLayout trainable = saved_parameters(layout).subset([&](const Parameter& p) {
    return std::ranges::none_of(config.freeze, [&](const std::string& pattern) { return is_named(pattern, p); });
  });
  check(trainable.count() > 0, "train.freeze: names every tensor, so nothing is left to train");
  return trainable;
}

}  // namespace kiln
