// Finds the weight decay of each chunk.
#include "optim/elementwise.h"

namespace kiln {

double weight_decay_of(const OptimizerConfig& config, const Parameter& parameter) {
  const bool decays = is_matrix(parameter.role) && (config.decay_embeddings || !is_embedding(parameter.role));
  return decays ? config.weight_decay : 0.0;
}

Chunks make_chunks(const OptimizerConfig& config, const ParameterLayout& layout) {
  Chunks chunks;
  for (const Chunk& chunk : make_chunks(layout)) {
    chunks.push_back({chunk, static_cast<float>(weight_decay_of(config, layout[chunk.id]))});
  }
  return chunks;
}

}  // namespace kiln
