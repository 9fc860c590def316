// Runs on conversations that take a moment: a model to tune, and its training to the end or up to a step.
#pragma once

#include "kiln/core/file.h"
#include "kiln/run/config.h"
#include "kiln/run/run_directory.h"
#include "kiln/train/training_run.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/tiny_run.h"
#include "support/training_hooks.h"
#include <string>

namespace kiln::testing {

/// Trains in the directory `root` and returns its paths. Stops after the step `stop`, unless that is negative.
inline RunPaths train(const Config& config, const std::string& root, Index stop = -1, OpenMode mode = OpenMode::fresh) {
  TrainingRun run(config, root, {.mode = mode});
  TrainingHooks hooks;
  if (stop >= 0) stop_after(hooks, stop);
  EXPECT_EQ(run.train(hooks) == TrainingEnd::stopped, stop >= 0);
  return run.paths();
}

/// Returns the config of a byte-level model from nothing that answers "say X", in chatml, with a letter from a to h.
inline Config letters_config(const Scratch& scratch) {
  Config config = tiny_config(scratch);
  std::string chats;
  for (int i = 0; i < 40; ++i) {
    chats += fmt::format(R"({{"prompt":"say {}","completion":"{}"}})"
                         "\n",
                         static_cast<char>('a' + i % 8), static_cast<char>('a' + i * 3 % 8));
  }
  config.data.train = {scratch.write("chats.jsonl", chats)};
  config.objective.type = ObjectiveKind::sft;
  config.chat.choice = ChatTemplateChoice::chatml;
  config.tokenizer.special_tokens = chat_special_tokens(ChatTemplateKind::chatml);
  config.model.n_ctx = 48;
  config.model.d_model = 32;
  config.model.dropout = 0;
  config.model.d_head.reset();
  config.model.d_mlp.reset();
  config.model.resolve();
  config.train.steps = 60;
  config.train.batch_size.count = 4;
  config.train.eval_every = 0;
  config.train.checkpoint_every = 0;
  return config;
}

/// Returns a config that tunes the model of letters_config, which it trains first for `steps`, in the folder "start".
inline Config config_of_tuning(const Scratch& scratch, Index steps = 60) {
  Config config = letters_config(scratch);
  config.train.steps = steps;
  if (const std::string start = scratch.path("start"); !path_exists(start)) train(config, start);
  config.init_from = scratch.path("start");
  return config;
}

}  // namespace kiln::testing
