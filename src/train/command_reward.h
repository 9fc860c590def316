// Scores answers by a program of the user's.
#pragma once

#include "kiln/core/line_process.h"
#include "kiln/run/reward_config.h"

#include "train/reward.h"
#include <memory>
#include <string>
#include <vector>

namespace kiln {

/// Asks a program about each answer: it reads a line {"messages": [{"role": ..., "content": ...}, ...], "answer":
/// "...", "expected": "..."}, without the last key if no answer is expected, and writes a line, a number or an object
/// {"reward": number}. Bytes that are not UTF-8 become U+FFFD.
class CommandReward final : public Reward {
 public:
  explicit CommandReward(RewardConfig config);

  /// Starts the program at the first answer. If it ends, takes longer than `time_limit`, or writes no finite number:
  /// warns, starts it again, and asks the same. If it writes more than a line for an answer, the scores of the call are
  /// in doubt, and all answers are asked again. Throws Error: usage if it cannot be started; io after the third failure
  /// in a row.
  /// If `while_waiting` throws, the program is ended, and starts again at the next answer.
  std::vector<double> score(std::span<const DrawnAnswer> answers, const WhileWaiting& while_waiting) override;

 private:
  std::vector<double> ask_all(std::span<const DrawnAnswer> answers, const WhileWaiting& while_waiting);
  double ask(const std::string& question, const std::string& which, const WhileWaiting& while_waiting);
  [[noreturn]] void fail_for_good(const std::string& which, const Error& error) const;
  double number_of(const std::string& line) const;

  RewardConfig config_;
  std::string shown_;  // the command
  std::unique_ptr<LineProcess> program_;
  bool is_announced_ = false;
};

}  // namespace kiln
