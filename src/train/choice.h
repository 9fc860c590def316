// Lists the model sizes to choose from, and assesses each for a given time.
#pragma once

#include "kiln/train/proposal.h"

#include "train/step_cost.h"
#include <array>
#include <vector>

namespace kiln {

/// Sizes by cost per token, cheapest first. Context and batch are the starting point of the choice.
struct Shape {
  Index n_layers, d_model, n_heads, n_ctx, batch_size;
};
inline constexpr std::array kShapes{
    Shape{3, 48, 2, 128, 32},      Shape{4, 64, 2, 128, 32},    Shape{4, 96, 3, 128, 32},
    Shape{4, 128, 4, 128, 32},     Shape{6, 128, 4, 128, 32},   Shape{4, 192, 6, 128, 32},
    Shape{6, 192, 6, 128, 32},     Shape{6, 256, 4, 256, 16},   Shape{6, 384, 6, 256, 32},
    Shape{8, 512, 8, 512, 16},     Shape{12, 768, 12, 512, 32}, Shape{16, 1024, 16, 1024, 16},
    Shape{24, 1536, 24, 1024, 32},
};

/// Sets the config's shape, and learning rates for its width.
void set_shape(Config& config, const Shape& shape);

/// Returns true if training takes at most kMemoryShare of the available memory.
inline constexpr double kMemoryShare = 0.5;
bool fits_into_memory(const Config& config, Index vocab_size);

/// The inputs that all shapes share.
struct Circumstances {
  const TextFacts& text;
  const std::vector<VocabularyOption>& vocabularies;
  double seconds;  // of training, without evaluations
};

/// Returns the shape with each vocabulary, in the best expected context and batch, if it fits into memory.
std::vector<Candidate> candidates_of(Config config, const Shape& shape, const StepCost& cost,
                                     const Circumstances& circumstances);

}  // namespace kiln
