// Measures how well tokenizers of several sizes compress a text.
#pragma once

#include "kiln/data/corpus.h"
#include "kiln/text/tokenizer_config.h"
#include "kiln/train/proposal.h"

#include <vector>

namespace kiln {

/// Returns byte-level BPE vocabularies of 512, 1024, ... entries, as far as `sample` has pairs to learn; at least one.
/// Trains one tokenizer, of the largest size: the smaller ones are its first merges.
std::vector<VocabularyOption> vocabulary_options(const TokenizerConfig& config, const Documents& sample);

}  // namespace kiln
