// Makes batches of conversations: each is a sequence of its own.
#pragma once

#include "kiln/data/encoded_conversations.h"
#include "kiln/data/packed_batches.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// Conversations as examples. Each is a sequence with positions from 0; a row is scored if the token after it is
/// supervised.
class ConversationExamples final : public Examples {
 public:
  explicit ConversationExamples(EncodedConversations conversations) : conversations_(std::move(conversations)) {}

  const EncodedConversations& conversations() const { return conversations_; }

  Index size() const override { return conversations_.size(); }
  std::string_view unit() const override { return "conversation"; }
  Index rows(Index i) const override { return std::ssize(conversations_.ids(i)) - 1; }  // the last token is a target
  void append(Index i, std::uint64_t number, Batch& batch) const override;
  std::vector<MixedSource> sources() const override;
  std::vector<std::string> source_names() const override;

 private:
  EncodedConversations conversations_;
};

}  // namespace kiln
