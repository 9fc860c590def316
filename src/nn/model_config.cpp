// Computes defaults of the architecture's sizes, and checks them.
#include "kiln/nn/model_config.h"

#include <utility>

namespace kiln {
namespace {

constexpr Index kGatedMultiple = 64;            // default gated sizes are rounded up to a multiple
constexpr Index kLargestSize = Index{1} << 31;  // of one dimension
constexpr Index kMostLayers = 100'000;
constexpr double kMostParameters = 1e15;  // keeps byte counts of any buffer over them well inside 64 bits

Index round_up(Index value, Index multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Returns the parameters of the blocks and positions without the vectors; in double, which does not overflow.
double count_parameters(const ModelConfig& m) {
  auto d = [](Index size) { return static_cast<double>(size); };
  const double attention = 2 * d(m.d_model) * d(m.head_size()) * (d(m.n_heads) + d(m.kv_heads()));
  const double mlp = (is_gated(m.activation) ? 3 : 2) * d(m.d_model) * d(m.mlp_size());
  return d(m.n_layers) * (attention + mlp) + d(m.n_ctx) * d(m.d_model);
}

/// Checks upper limits, within which products of sizes do not overflow.
void check_limits(const ModelConfig& m, Problems& problems, const std::string& pointer) {
  const std::pair<const char*, Index> sizes[] = {{"d_model", m.d_model},         {"n_heads", m.n_heads},
                                                 {"n_kv_heads", m.kv_heads()},   {"d_head", m.d_head.value_or(1)},
                                                 {"d_mlp", m.d_mlp.value_or(1)}, {"n_ctx", m.n_ctx}};
  for (const auto& [name, size] : sizes) {
    if (size > kLargestSize) {
      problems.add(child_pointer(pointer, name), "{} is out of range; at most {} is expected", size, kLargestSize);
    }
  }
  if (m.n_layers > kMostLayers) {
    problems.add(child_pointer(pointer, "n_layers"), "{} is out of range; at most {} is expected", m.n_layers,
                 kMostLayers);
  }
}

}  // namespace

Index ModelConfig::mlp_size() const {
  if (d_mlp) return *d_mlp;
  return is_gated(activation) ? round_up((8 * d_model + 2) / 3, kGatedMultiple) : 4 * d_model;
}

void ModelConfig::resolve() {
  n_kv_heads = kv_heads();
  d_head = head_size();
  d_mlp = mlp_size();
}

void ModelConfig::validate(Problems& problems, const std::string& pointer) const {
  check_ranges(*this, problems, pointer);
  check_limits(*this, problems, pointer);
  auto at = [&](const char* name) { return child_pointer(pointer, name); };
  auto sound = [&](auto... names) { return !(problems.has(at(names)) || ...); };

  if (sound("n_heads", "n_kv_heads") && n_heads % kv_heads() != 0) {
    problems.add(at("n_kv_heads"),
                 "n_heads = {} is not a multiple of n_kv_heads = {}; every key/value head serves the "
                 "same number of query heads",
                 n_heads, kv_heads());
  }
  if (sound("d_model", "n_heads", "d_head") && !d_head && d_model % n_heads != 0) {
    problems.add(at("n_heads"), "d_model = {} is not a multiple of n_heads = {}; change one of them, or set d_head",
                 d_model, n_heads);
  } else if (sound("d_model", "n_heads", "d_head", "position") && position == PositionKind::rope &&
             head_size() % 2 != 0) {
    problems.add(at("d_head"), "the head size {} is odd; rope turns pairs, so an even one is expected", head_size());
  }
  if (!problems.has(pointer) && count_parameters(*this) > kMostParameters) {
    problems.add(pointer, "the sizes come to {:.3g} parameters; at most {:.0e} are expected", count_parameters(*this),
                 kMostParameters);
  }
}

Family family_of(const ModelConfig& m) {
  const bool gpt2 = m.norm == NormKind::layernorm && m.position == PositionKind::learned &&
                    m.head_size() * m.n_heads == m.d_model && m.kv_heads() == m.n_heads && !is_gated(m.activation) &&
                    !m.qk_norm;
  const bool llama = m.norm == NormKind::rmsnorm && m.position == PositionKind::rope &&
                     m.activation == Activation::swiglu && !m.bias && !m.qk_norm;
  return gpt2 ? Family::gpt2 : llama ? Family::llama : Family::kiln;
}

}  // namespace kiln
