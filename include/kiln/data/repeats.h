// Finds repeated text: documents and conversations trained on several times, and held-out ones that are trained on too.
#pragma once

#include "kiln/data/corpus.h"
#include "kiln/data/encoded_conversations.h"

#include <string>
#include <vector>

namespace kiln {

/// Returns a warning, with an example, for training documents that repeat others word for word, and one for held-out
/// documents that are also trained on. Each is given only if these documents are at least a hundredth of the bytes of
/// their split.
std::vector<std::string> find_repeats(const Corpus& corpus);

/// Does the same for conversations, which are equal if their messages have the same roles and contents.
std::vector<std::string> find_repeats(const Conversations& conversations);

}  // namespace kiln
