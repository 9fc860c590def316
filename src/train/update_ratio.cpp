// Samples elements by the golden ratio, which aligns with no row or column.
#include "train/update_ratio.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace kiln {
namespace {

// In the order of Role.
constexpr std::array<std::string_view, 11> kRoleNames{"token_embedding",
                                                      "position_embedding",
                                                      "attention",
                                                      "attention_residual",
                                                      "mlp",
                                                      "mlp_residual",
                                                      "adapter",
                                                      "norm",
                                                      "bias",
                                                      "unembedding",
                                                      "score"};
static_assert(kRoleNames.size() == static_cast<std::size_t>(Role::score) + 1);

Index sampled(const Parameter& parameter) { return std::min(parameter.size(), UpdateRatio::kSampledElements); }

/// Returns the place of the i-th sampled element, or of the i-th element if all are sampled.
Index place(const Parameter& parameter, Index i) {
  if (parameter.size() <= UpdateRatio::kSampledElements) return parameter.offset + i;
  constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;  // its fractional part times 2^64
  const std::uint64_t fraction = static_cast<std::uint64_t>(i) * kGoldenRatio >> 32;
  return parameter.offset + static_cast<Index>(fraction * static_cast<std::uint64_t>(parameter.size()) >> 32);
}

struct Sums {
  double change = 0, weight = 0;  // of squares

  double ratio() const { return weight > 0 ? std::sqrt(change / weight) : 0; }
};

}  // namespace

UpdateRatio::UpdateRatio(const ParameterLayout& layout) : layout_(layout) {
  Index count = 0;
  for (const Parameter& parameter : layout.parameters()) count += sampled(parameter);
  before_.resize(static_cast<std::size_t>(count));
}

void UpdateRatio::remember(const ParameterBuffer<float>& weights) {
  auto to = before_.begin();
  for (const Parameter& parameter : layout_.parameters()) {
    for (Index i = 0; i < sampled(parameter); ++i) *to++ = weights.data()[place(parameter, i)];
  }
}

std::vector<std::pair<std::string_view, double>> UpdateRatio::ratios(const ParameterBuffer<float>& weights) const {
  std::array<Sums, kRoleNames.size()> roles;
  Sums total;
  auto from = before_.begin();
  for (const Parameter& parameter : layout_.parameters()) {
    Sums sums;
    for (Index i = 0; i < sampled(parameter); ++i) {
      const double before = *from++, after = weights.data()[place(parameter, i)];
      sums.change += (after - before) * (after - before);
      sums.weight += before * before;
    }
    const double share = static_cast<double>(parameter.size()) / static_cast<double>(sampled(parameter));
    for (Sums* sum : {&roles[static_cast<std::size_t>(parameter.role)], &total}) {
      sum->change += share * sums.change;
      sum->weight += share * sums.weight;
    }
  }
  std::vector<std::pair<std::string_view, double>> ratios;
  for (std::size_t role = 0; role < roles.size(); ++role) {
    if (layout_.count(static_cast<Role>(role)) > 0) ratios.emplace_back(kRoleNames[role], roles[role].ratio());
  }
  ratios.emplace_back("total", total.ratio());
  return ratios;
}

}  // namespace kiln
