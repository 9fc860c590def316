// Divides a conversation into turns, and leaves out the oldest where it is too long.
#pragma once

#include "kiln/tensor/view.h"
#include "kiln/text/chat_template.h"

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace kiln {

/// The tokens of a conversation that the model reads.
struct ChatView {
  std::vector<TokenId> ids;
  Index dropped_turns = 0;  // the oldest turns, which do not fit
};

/// Returns the number of system messages before the first turn.
std::size_t system_messages(std::span<const ChatMessage> messages);

/// Returns the first message of each turn: a user's message with what follows it, up to the next one. The first turn
/// may begin with an answer, to a message that is not known.
std::vector<std::size_t> turns_of(std::span<const ChatMessage> messages);

/// Returns the tokens without as many of the oldest turns as `most` tokens demand. The system messages before them and
/// the last turn always stay, even if they are longer than that. `tokens_of` is a function of ChatTemplate.
ChatView fitting_turns(std::span<const ChatMessage> messages, Index most,
                       const std::function<std::vector<TokenId>(std::span<const ChatMessage>)>& tokens_of);

}  // namespace kiln
