// Finds repeated text: documents trained on several times, and held-out documents that are also trained on.
#pragma once

#include "kiln/data/corpus.h"

#include <string>
#include <vector>

namespace kiln {

/// Returns a warning, with an example, for training documents that repeat others word for word, and one for held-out
/// documents that are also trained on. Each is given only if these documents are at least a hundredth of the bytes of
/// their split.
std::vector<std::string> find_repeats(const Corpus& corpus);

}  // namespace kiln
