// Finds text that repeats: documents trained on several times, and held-out documents that are also trained on.
#pragma once

#include "kiln/data/corpus.h"

#include <string>
#include <vector>

namespace kiln {

/// Returns a warning, with an example, for documents of the training text that repeat others of it word for word, and
/// one for held-out documents that are trained on too: each where they are more than a hundredth of their bytes.
std::vector<std::string> find_repeats(const Corpus& corpus);

}  // namespace kiln
