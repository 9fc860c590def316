// Divides a conversation into turns, and leaves out the oldest where it is too long.
#pragma once

#include "kiln/tensor/view.h"
#include "kiln/text/chat_template.h"

#include <cstddef>
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

/// Returns the tokens of a conversation, and of the opening of an answer to it if `opens_answer`. Where all of them
/// leave no `room` for an answer in the context, the oldest turns go, until at most half of the space before the answer
/// is taken. They are missing in all later states of the conversation, so most of these begin with the tokens of the
/// one before. System messages before the turns and the last turn always stay, even if they are longer. Throws as
/// ChatTemplate::tokens does.
ChatView fitting_turns(const ChatTemplate& chat, std::span<const ChatMessage> messages, bool opens_answer,
                       Index context, Index room);

}  // namespace kiln
