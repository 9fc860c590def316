// The sizes of a model to choose from, and what comes of each in a given time.
#pragma once

#include "kiln/train/proposal.h"

#include "train/step_cost.h"
#include <array>
#include <vector>

namespace kiln {

/// Sizes by what a token of theirs costs, the cheapest first. Context and batch are where the choice begins.
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

/// Puts the shape into the config, with learning rates that suit its width.
void set_shape(Config& config, const Shape& shape);

/// Whether training takes no more than the share of the available memory that a choice may.
inline constexpr double kMemoryShare = 0.5;
bool fits_into_memory(const Config& config, Index vocab_size);

/// What is known before any shape is looked at.
struct Circumstances {
  const TextFacts& text;
  const std::vector<VocabularyOption>& vocabularies;
  double seconds;  // of training, without evaluations
};

/// The shape with each vocabulary, in the context and batch from which most is expected, as far as it fits into memory.
std::vector<Candidate> candidates_of(Config config, const Shape& shape, const StepCost& cost,
                                     const Circumstances& circumstances);

}  // namespace kiln
