// Splits parameters into chunks.
#include "optim/elementwise.h"

#include <algorithm>

namespace kiln {
namespace {

constexpr Index kChunkElements = 8192;  // whole cache lines; small enough to share out 100,000 parameters

}  // namespace

double weight_decay_of(const OptimizerConfig& config, const Parameter& parameter) {
  const bool decays = is_matrix(parameter.role) && (config.decay_embeddings || !is_embedding(parameter.role));
  return decays ? config.weight_decay : 0.0;
}

Chunks make_chunks(const OptimizerConfig& config, const ParameterLayout& layout) {
  Chunks chunks;
  for (const Parameter& p : layout.parameters()) {
    const auto weight_decay = static_cast<float>(weight_decay_of(config, p));
    for (Index begin = 0; begin < p.size(); begin += kChunkElements) {
      chunks.push_back({p.id, begin, std::min(kChunkElements, p.size() - begin), weight_decay});
    }
  }
  return chunks;
}

}  // namespace kiln
