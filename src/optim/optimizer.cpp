// The table of optimizers.
#include "kiln/optim/optimizer.h"

#include "optim/makers.h"
#include <array>

namespace kiln {
namespace {

struct Entry {
  OptimizerKind kind;
  MakeOptimizer* make;
  std::size_t (*slot_count)(const OptimizerConfig& config);
  std::size_t (*scratch_bytes)(const ParameterLayout& layout);
};

template <std::size_t count>
std::size_t always(const OptimizerConfig&) {
  return count;
}

std::size_t slots_of_sgd(const OptimizerConfig& config) { return config.momentum > 0 ? 1 : 0; }

std::size_t no_scratch(const ParameterLayout&) { return 0; }

constexpr std::array<Entry, 5> kOptimizers{{
    {OptimizerKind::sgd, make_sgd, slots_of_sgd, no_scratch},
    {OptimizerKind::adam, make_adam, always<2>, no_scratch},
    {OptimizerKind::adamw, make_adamw, always<2>, no_scratch},
    {OptimizerKind::lion, make_lion, always<1>, no_scratch},
    {OptimizerKind::muon, make_muon, always<2>, muon_scratch_bytes},
}};
static_assert(kOptimizers.size() == kOptimizerKinds.size());

const Entry& entry_of(OptimizerKind kind) {
  for (const Entry& entry : kOptimizers) {
    if (entry.kind == kind) return entry;
  }
  fail(ExitCode::failure, "optimizer {} is missing from kOptimizers", static_cast<int>(kind));
}

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const ParameterLayout& layout) {
  return entry_of(config.type).make(config, layout);
}

std::size_t slot_count(const OptimizerConfig& config) { return entry_of(config.type).slot_count(config); }

std::size_t scratch_bytes(const OptimizerConfig& config, const ParameterLayout& layout) {
  return entry_of(config.type).scratch_bytes(layout);
}

}  // namespace kiln
