// Walks through the conversation as it grew, so that the same turns are left out at each of its later states.
#include "kiln/infer/turns.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>

namespace kiln {
namespace {

/// Returns the conversation without its oldest turns. `begin` is the first message that stays.
std::vector<ChatMessage> without_turns_before(std::size_t begin, std::span<const ChatMessage> messages) {
  const std::span<const ChatMessage> system = messages.first(system_messages(messages));
  std::vector<ChatMessage> kept(system.begin(), system.end());
  kept.insert(kept.end(), messages.begin() + static_cast<std::ptrdiff_t>(begin), messages.end());
  return kept;
}

/// A conversation in the form in which the model reads it.
struct Reading {
  const ChatTemplate& chat;
  bool opens_answer;

  std::vector<TokenId> tokens(std::span<const ChatMessage> messages) const {
    return opens_answer ? chat.prompt(messages) : chat.tokens(messages).ids;
  }
};

/// Counts the tokens of parts of a conversation. Each message is encoded once.
class ConversationLength {
 public:
  ConversationLength(std::span<const ChatMessage> messages, const Reading& reading)
      : messages_(messages), reading_(reading), until_(messages.size() + 1) {
    const std::vector<std::int64_t> lengths = reading.chat.lengths(messages);
    std::partial_sum(lengths.begin(), lengths.end(), until_.begin() + 1);
  }

  /// Returns the tokens of the system messages and those from `begin` to `last`.
  Index of(std::size_t begin, std::size_t last) {
    if (begin != begin_) {
      begin_ = begin;  // a template may write the first message of all in another way
      first_ = std::ssize(reading_.tokens(without_turns_before(begin, messages_.first(begin + 1))));
    }
    return first_ + until_[last + 1] - until_[begin + 1];
  }

 private:
  std::span<const ChatMessage> messages_;
  const Reading& reading_;
  std::vector<Index> until_;  // until_[i]: tokens of the messages before i
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

ChatView fitting_turns(const ChatTemplate& chat, std::span<const ChatMessage> messages, bool opens_answer,
                       Index context, Index room) {
  const Index most = context - room;
  const Reading reading{chat, opens_answer};
  ChatView whole{.ids = reading.tokens(messages)};
  const std::vector<std::size_t> begins = turns_of(messages);
  if (std::ssize(whole.ids) <= most || begins.size() < 2) return whole;
  ConversationLength length(messages, reading);
  std::size_t dropped = 0;
  for (std::size_t last = begins[1]; last < messages.size(); ++last) {
    const bool is_answer = messages[last].role == ChatRole::assistant;
    if (length.of(begins[dropped], last) <= (is_answer ? context : most)) continue;
    while (dropped + 1 < begins.size() && begins[dropped + 1] <= last && length.of(begins[dropped], last) > most / 2)
      ++dropped;
  }
  if (dropped == 0) return whole;
  return {.ids = reading.tokens(without_turns_before(begins[dropped], messages)),
          .dropped_turns = static_cast<Index>(dropped)};
}

}  // namespace kiln
