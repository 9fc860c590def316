// How well tokenizers of several sizes would compress a text.
#pragma once

#include "kiln/data/corpus.h"
#include "kiln/text/tokenizer_config.h"
#include "kiln/train/proposal.h"

#include <vector>

namespace kiln {

/// Byte-level BPE vocabularies from 512 entries on, each twice the one before, as far as `sample` has pairs to learn.
/// One tokenizer is trained, of the largest size: the smaller ones are its first merges. Never empty.
std::vector<VocabularyOption> vocabulary_options(const TokenizerConfig& config, const Documents& sample);

}  // namespace kiln
