// Makes sure that all ranks train the same model on the same data.
#pragma once

#include "train/training_parts.h"

namespace kiln {

/// Throws Error (usage) that lists the ranks whose version of kiln, config, tokenizer, data, weights or checkpoint is
/// not the root's.
void check_ranks_agree(const TrainingParts& parts);

}  // namespace kiln
