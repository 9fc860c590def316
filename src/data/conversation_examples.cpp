// Appends conversations to batches.
#include "kiln/data/conversation_examples.h"

#include <span>

namespace kiln {

void ConversationExamples::append(Index i, std::uint64_t number, Batch& batch) const {
  const std::span<const TokenId> ids = conversations_.ids(i);
  const std::span<const std::uint8_t> supervised = conversations_.supervised(i);
  const Index first_row = batch.rows.size();
  batch.rows.append(ids.first(ids.size() - 1), {.number = number});
  for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
    if (supervised[t + 1] == 0) continue;
    batch.scored.push_back(first_row + static_cast<Index>(t));
    batch.targets.push_back(ids[t + 1]);
    batch.weights.push_back(1.0f);
  }
}

std::vector<MixedSource> ConversationExamples::sources() const {
  if (conversations_.sources().empty()) return Examples::sources();
  std::vector<MixedSource> sources;
  for (const SourceCensus& source : conversations_.sources()) {
    sources.push_back({source.census.conversations, source.weight});
  }
  return sources;
}

std::vector<std::string> ConversationExamples::source_names() const {
  std::vector<std::string> names;
  for (const SourceCensus& source : conversations_.sources()) names.push_back(source.name);
  return names;
}

}  // namespace kiln
