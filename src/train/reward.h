// What a reward is: a number for each answer.
#pragma once

#include "kiln/core/line_process.h"
#include "kiln/tensor/view.h"
#include "kiln/text/chat_template.h"

#include <span>
#include <string_view>
#include <vector>

namespace kiln {

/// An answer to score.
struct DrawnAnswer {
  std::span<const ChatMessage> messages;
  std::string_view text;
  std::string_view expected;  // the record's own answer; "" if it has none
  Index tokens = 0;
  bool ended = false;  // by itself, not at the limit
};

/// Scores answers. One of the implementations that make_reward (rewards.cpp) chooses from.
class Reward {
 public:
  Reward() = default;
  virtual ~Reward() = default;
  Reward(const Reward&) = delete;
  Reward& operator=(const Reward&) = delete;

  /// Returns a finite score for each answer. Calls `while_waiting` as LineProcess::ask does, if it waits for a program.
  /// Throws Error, and what `while_waiting` throws.
  virtual std::vector<double> score(std::span<const DrawnAnswer> answers, const WhileWaiting& while_waiting) = 0;
};

}  // namespace kiln
