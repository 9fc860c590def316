// Lays conversations end to end, for training and for evaluation.
#pragma once

#include "kiln/data/batch.h"
#include "kiln/data/data_order.h"
#include "kiln/data/encoded_conversations.h"
#include "kiln/data/mix_order.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// The order and the sizes of training batches.
struct ConversationBatchOptions {
  Index rows = 0;           // of a micro-batch, at most, before they are rounded up: no conversation has more
  Index micro_batches = 1;  // of a step; 0: as many as an epoch takes
  DataOrder order = DataOrder::shuffle;
  std::uint64_t seed = 0;
};

/// The batches of training on conversations: the next ones in the run's order (MixOrder, by the sources' weights), as
/// many as fit into the rows. Each is a sequence of its own with positions from 0; a row is scored if the token after
/// it is supervised.
class ConversationBatches final : public BatchSource {
 public:
  /// There must be at least one conversation.
  ConversationBatches(EncodedConversations conversations, const ConversationBatchOptions& options);

  /// Returns the conversation that is example `example` of the run, as MixOrder says.
  Index conversation(Index example) { return order_.example(example); }

  /// Returns how many conversations of source i an epoch has.
  Index draws(Index i) const { return order_.draws(i); }

  std::string_view unit() const override { return "conversations"; }
  Index epoch() const override { return order_.epoch(); }
  Index fill(Index first, Index micro_batch, Batch& batch) override;
  Index steps_of_epochs(double epochs) override;

  const EncodedConversations& conversations() const { return conversations_; }

 private:
  /// Returns how many examples from `first` on make micro-batch `micro_batch` of a step.
  Index count(Index first, Index micro_batch);

  EncodedConversations conversations_;
  ConversationBatchOptions options_;
  MixOrder order_;
};

/// The batches of an evaluation: all conversations in order, or, if they hold more than `most_tokens`, an evenly
/// spread part of them, always the same.
class ConversationEvaluation final : public EvaluationSource {
 public:
  /// `rows` of a batch, at most: no conversation has more. A batch holds conversations of one source.
  ConversationEvaluation(EncodedConversations conversations, Index rows, Index most_tokens);

  Index size() const override { return std::ssize(begins_) - 1; }
  void fill(Index i, Batch& batch) const override;
  Index tokens() const override { return tokens_; }
  std::string name() const override { return "the conversations"; }
  std::vector<std::string> parts() const override;
  Index part(Index i) const override { return part_of_[static_cast<std::size_t>(i)]; }

 private:
  EncodedConversations conversations_;
  std::vector<Index> chosen_;
  std::vector<Index> begins_;   // in chosen_, of each batch, and the end of the last
  std::vector<Index> part_of_;  // the source of each batch
  Index tokens_ = 0;
};

}  // namespace kiln
