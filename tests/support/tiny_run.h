// Configs of runs that take a moment, on text made for the test.
#pragma once

#include "kiln/run/config.h"

#include "support/scratch.h"
#include <string>

namespace kiln::testing {

/// Lines that count: a model that has seen a few of them can predict most of the rest.
inline std::string counting_text(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) text += "one two three four five six seven eight nine ten;\n";
  return text;
}

/// A byte-level model of one or two thousand parameters on counting_text, which is written into the scratch folder.
inline Config tiny_config(const Scratch& scratch) {
  Config config;
  config.name = "tiny";
  config.tokenizer.type = TokenizerKind::byte;
  config.tokenizer.special_tokens.clear();
  config.data.train = {scratch.write("counting.txt", counting_text(60))};
  config.model.n_layers = 1;
  config.model.d_model = 16;
  config.model.n_heads = 2;
  config.model.n_ctx = 16;
  config.model.dropout = 0.1;
  config.model.resolve();
  config.schedule.warmup_steps = 2;
  config.optimizer.learning_rate = 1e-2;
  config.train.steps = 20;
  config.train.batch_size.count = 4;
  config.train.eval_every = 6;
  config.train.checkpoint_every = 5;
  config.train.log_every = 1;
  config.train.threads = 2;
  return config;
}

}  // namespace kiln::testing
