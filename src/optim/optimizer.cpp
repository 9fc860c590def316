// Makes optimizers from a table of their kinds.
#include "kiln/optim/optimizer.h"

#include "optim/makers.h"
#include <array>

namespace kiln {
namespace {

bool any_parameter(const Parameter&) { return true; }

struct Moment {
  std::string_view name;
  bool (*covers)(const Parameter&) = any_parameter;
};

struct Entry {
  OptimizerKind kind;
  MakeOptimizer* make;
  std::vector<Moment> (*moments)(const OptimizerConfig& config);
  std::size_t (*scratch_bytes)(const ParameterLayout& layout);
};

std::vector<Moment> moments_of_sgd(const OptimizerConfig& config) {
  return config.momentum > 0 ? std::vector<Moment>{{"m"}} : std::vector<Moment>();
}
std::vector<Moment> moments_of_adam(const OptimizerConfig&) { return {{"m"}, {"v"}}; }
std::vector<Moment> moments_of_lion(const OptimizerConfig&) { return {{"m"}}; }
std::vector<Moment> moments_of_muon(const OptimizerConfig&) { return {{"m"}, {"v", is_moved_by_adamw}}; }

std::size_t no_scratch(const ParameterLayout&) { return 0; }

constexpr std::array<Entry, 5> kOptimizers{{
    {OptimizerKind::sgd, make_sgd, moments_of_sgd, no_scratch},
    {OptimizerKind::adam, make_adam, moments_of_adam, no_scratch},
    {OptimizerKind::adamw, make_adamw, moments_of_adam, no_scratch},
    {OptimizerKind::lion, make_lion, moments_of_lion, no_scratch},
    {OptimizerKind::muon, make_muon, moments_of_muon, muon_scratch_bytes},
}};
static_assert(kOptimizers.size() == kOptimizerKinds.size());

const Entry& entry_of(OptimizerKind kind) {
  for (const Entry& entry : kOptimizers) {
    if (entry.kind == kind) return entry;
  }
  fail(ExitCode::failure, "optimizer {} is missing from kOptimizers", static_cast<int>(kind));
}

}  // namespace

MayCut may_be_cut(const OptimizerConfig& config) {
  return config.type == OptimizerKind::muon ? is_moved_by_adamw : any_parameter;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const ParameterLayout& layout) {
  return entry_of(config.type).make(config, layout);
}

std::vector<StateLayout> state_layouts(const OptimizerConfig& config, const ParameterLayout& layout) {
  std::vector<StateLayout> state;
  for (const Moment& moment : entry_of(config.type).moments(config))
    state.push_back({moment.name, layout.subset(moment.covers)});
  return state;
}

std::size_t scratch_bytes(const OptimizerConfig& config, const ParameterLayout& layout) {
  return entry_of(config.type).scratch_bytes(layout);
}

}  // namespace kiln
