// Searches by bisection: the fewer turns, the fewer tokens.
#include "kiln/infer/turns.h"

#include <algorithm>
#include <utility>

namespace kiln {

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

ChatView fitting_turns(std::span<const ChatMessage> messages, Index most,
                       const std::function<std::vector<TokenId>(std::span<const ChatMessage>)>& tokens_of) {
  const std::vector<std::size_t> begins = turns_of(messages);
  const auto view = [&](Index dropped) {
    const std::span<const ChatMessage> system = messages.first(system_messages(messages));
    std::vector<ChatMessage> kept(system.begin(), system.end());
    const std::size_t begin = begins.empty() ? messages.size() : begins[static_cast<std::size_t>(dropped)];
    kept.insert(kept.end(), messages.begin() + static_cast<std::ptrdiff_t>(begin), messages.end());
    return ChatView{.ids = tokens_of(kept), .dropped_turns = dropped};
  };
  ChatView fitting = view(0);
  if (std::ssize(fitting.ids) <= most || begins.size() < 2) return fitting;
  Index too_few = 0, enough = std::ssize(begins) - 1;
  fitting = view(enough);
  while (enough - too_few > 1) {
    const Index middle = (too_few + enough) / 2;
    ChatView half = view(middle);
    if (std::ssize(half.ids) <= most) {
      enough = middle;
      fitting = std::move(half);
    } else {
      too_few = middle;
    }
  }
  return fitting;
}

}  // namespace kiln
