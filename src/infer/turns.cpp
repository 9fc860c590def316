// Walks through the conversation as it grew, so that the same turns are left out at each of its later states.
#include "kiln/infer/turns.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace kiln {
namespace {

using TokensOf = std::function<std::vector<TokenId>(std::span<const ChatMessage>)>;

/// Returns the conversation without its oldest turns. `begin` is the first message that stays.
std::vector<ChatMessage> without_turns_before(std::size_t begin, std::span<const ChatMessage> messages) {
  const std::span<const ChatMessage> system = messages.first(system_messages(messages));
  std::vector<ChatMessage> kept(system.begin(), system.end());
  kept.insert(kept.end(), messages.begin() + static_cast<std::ptrdiff_t>(begin), messages.end());
  return kept;
}

/// Counts the tokens of parts of a conversation. Each message is encoded once, since the template encodes it by itself.
class ConversationLength {
 public:
  ConversationLength(std::span<const ChatMessage> messages, const TokensOf& tokens_of)
      : messages_(messages), tokens_of_(tokens_of), until_(messages.size() + 1) {
    const ChatMessage other{ChatRole::system, ""};
    const Index before = std::ssize(tokens_of(std::array{other}));
    for (std::size_t i = 0; i < messages.size(); ++i) {
      until_[i + 1] = until_[i] + std::ssize(tokens_of(std::array{other, messages[i]})) - before;
    }
  }

  /// Returns the tokens of the system messages and those from `begin` to `last`.
  Index of(std::size_t begin, std::size_t last) {
    if (begin != begin_) {
      begin_ = begin;  // a template may write the first message of all in another way
      first_ = std::ssize(tokens_of_(without_turns_before(begin, messages_.first(begin + 1))));
    }
    return first_ + until_[last + 1] - until_[begin + 1];
  }

 private:
  std::span<const ChatMessage> messages_;
  const TokensOf& tokens_of_;
  std::vector<Index> until_;  // until_[i]: tokens of the messages before i, each behind another one
  std::optional<std::size_t> begin_;
  Index first_ = 0;  // tokens of the system messages and of message begin_
};

}  // namespace

std::size_t system_messages(std::span<const ChatMessage> messages) {
  const auto other = std::ranges::find_if(messages, [](const auto& m) { return m.role != ChatRole::system; });
  return static_cast<std::size_t>(other - messages.begin());
}

std::vector<std::size_t> turns_of(std::span<const ChatMessage> messages) {
  std::vector<std::size_t> begins;
  for (std::size_t i = system_messages(messages); i < messages.size(); ++i) {
    if (begins.empty() || messages[i].role == ChatRole::user) begins.push_back(i);
  }
  return begins;
}

ChatView fitting_turns(std::span<const ChatMessage> messages, Index context, Index room, const TokensOf& tokens_of) {
  const Index most = context - room;
  ChatView whole{.ids = tokens_of(messages)};
  const std::vector<std::size_t> begins = turns_of(messages);
  if (std::ssize(whole.ids) <= most || begins.size() < 2) return whole;
  ConversationLength length(messages, tokens_of);
  std::size_t dropped = 0;
  for (std::size_t last = begins[1]; last < messages.size(); ++last) {
    const bool is_answer = messages[last].role == ChatRole::assistant;
    if (length.of(begins[dropped], last) <= (is_answer ? context : most)) continue;
    while (dropped + 1 < begins.size() && begins[dropped + 1] <= last && length.of(begins[dropped], last) > most / 2)
      ++dropped;
  }
  if (dropped == 0) return whole;
  return {.ids = tokens_of(without_turns_before(begins[dropped], messages)),
          .dropped_turns = static_cast<Index>(dropped)};
}

}  // namespace kiln
