// Runs of bytes whose vocabulary has the tokens of ChatML, for the tests of kiln chat.
#pragma once

#include "cli/small_run.h"
#include <string>
#include <vector>

namespace kiln::testing {

inline constexpr const char* kChatTokens =
    R"(tokenizer.special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"])";

/// A trained run with a context of 256 bytes.
inline const SmallRun& chat_run() {
  static const SmallRun run;
  static const Outcome outcome = run.train({"--set", kChatTokens, "--set", "model.n_ctx=256"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return run;
}

/// kiln chat RUN, and these. Its answers have at most 12 bytes.
inline std::vector<std::string> chat_command(const std::vector<std::string>& more = {}) {
  std::vector<std::string> command = kiln({"chat", chat_run().folder, "--max-tokens", "12"});
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

}  // namespace kiln::testing
