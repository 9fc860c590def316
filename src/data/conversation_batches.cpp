// Fills batches in the run's order until the next conversation does not fit.
#include "kiln/data/conversation_batches.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace kiln {
namespace {

Index rows_of(const EncodedConversations& conversations, Index i) { return std::ssize(conversations.ids(i)) - 1; }

/// Appends a conversation as a sequence: its last token is only a target.
void append_conversation(const EncodedConversations& conversations, Index i, std::uint64_t number, Batch& batch) {
  const std::span<const TokenId> ids = conversations.ids(i);
  const std::span<const std::uint8_t> supervised = conversations.supervised(i);
  const Index first_row = batch.rows.size();
  batch.rows.append(ids.first(ids.size() - 1), {.number = number});
  for (std::size_t t = 0; t + 1 < ids.size(); ++t) {
    if (supervised[t + 1] == 0) continue;
    batch.scored.push_back(first_row + static_cast<Index>(t));
    batch.targets.push_back(ids[t + 1]);
    batch.weights.push_back(1.0f);
  }
}

std::vector<MixedSource> mixed(const EncodedConversations& conversations) {
  if (conversations.sources().empty()) return {{.size = conversations.size()}};
  std::vector<MixedSource> sources;
  for (const SourceCensus& source : conversations.sources())
    sources.push_back({source.census.conversations, source.weight});
  return sources;
}

}  // namespace

ConversationBatches::ConversationBatches(EncodedConversations conversations, const ConversationBatchOptions& options)
    : conversations_(std::move(conversations)),
      options_(options),
      order_(mixed(conversations_), options.order, options.seed) {}

Index ConversationBatches::count(Index first, Index micro_batch) {
  const bool takes_epochs = options_.micro_batches == 0;
  if (takes_epochs ? micro_batch > 0 && first % epoch() == 0 : micro_batch >= options_.micro_batches) return 0;
  Index examples = 0;
  for (Index rows = 0;; ++examples) {
    if (takes_epochs && examples > 0 && (first + examples) % epoch() == 0) break;
    rows += rows_of(conversations_, conversation(first + examples));
    if (rows > options_.rows) break;
  }
  assert(examples > 0);
  return examples;
}

Index ConversationBatches::fill(Index first, Index micro_batch, Batch& batch) {
  batch.clear();
  const Index examples = count(first, micro_batch);
  for (Index example = first; example < first + examples; ++example) {
    append_conversation(conversations_, conversation(example), static_cast<std::uint64_t>(example), batch);
  }
  batch.rows.round_up(kRowMultiple);
  return examples;
}

Index ConversationBatches::steps_of_epochs(double epochs) {
  constexpr double kMostExamples = 1e9;
  const double wanted = std::ceil(epochs * static_cast<double>(epoch()) * (1 - 1e-12));  // 0.07 * 100 is more than 7
  check(wanted <= kMostExamples,
        "train.epochs {} are {:.2g} conversations, more than can be counted; lower it, or set train.steps", epochs,
        wanted);
  Index steps = 0;
  for (Index drawn = 0; static_cast<double>(drawn) < std::max(wanted, 1.0); ++steps) {
    Index micro_batch = 0;
    for (Index examples; (examples = count(drawn, micro_batch)) > 0; ++micro_batch) drawn += examples;
  }
  return steps;
}

ConversationEvaluation::ConversationEvaluation(EncodedConversations conversations, Index rows, Index most_tokens)
    : conversations_(std::move(conversations)) {
  const Index all = conversations_.size(), tokens = conversations_.census().tokens;
  Index count = all;
  if (tokens > most_tokens) {
    const double share = static_cast<double>(most_tokens) / static_cast<double>(tokens);
    count = std::clamp<Index>(static_cast<Index>(std::ceil(share * static_cast<double>(all))), 1, all);
  }
  std::vector<Index> ends;  // of each source
  for (const SourceCensus& source : conversations_.sources()) {
    ends.push_back((ends.empty() ? 0 : ends.back()) + source.census.conversations);
  }
  Index filled = rows + 1;
  for (Index k = 0; k < count; ++k) {
    const Index i = k * all / count, length = rows_of(conversations_, i);
    const Index part = std::ranges::upper_bound(ends, i) - ends.begin();
    if (filled + length > rows || part != part_of_.back()) {
      begins_.push_back(k);
      part_of_.push_back(part);
      filled = 0;
    }
    filled += length;
    chosen_.push_back(i);
    tokens_ += length;
  }
  begins_.push_back(count);
}

std::vector<std::string> ConversationEvaluation::parts() const {
  std::vector<std::string> names;
  for (const SourceCensus& source : conversations_.sources()) names.push_back(source.name);
  return names;
}

void ConversationEvaluation::fill(Index i, Batch& batch) const {
  assert(i >= 0 && i < size());
  batch.clear();
  const auto at = static_cast<std::size_t>(i);
  for (Index k = begins_[at]; k < begins_[at + 1]; ++k) {
    append_conversation(conversations_, chosen_[static_cast<std::size_t>(k)], 0, batch);
  }
  batch.rows.round_up(kRowMultiple);
}

}  // namespace kiln
