// Trains a byte-level transformer on a text and prints what it writes: example TEXT RUN
#include <iostream>
#include <kiln/infer/complete.h>
#include <kiln/infer/prompt.h>
#include <kiln/train/training_run.h>

int main(int argc, char** argv) try {
  kiln::check(argc == 3, "usage: example TEXT RUN");
  kiln::Config config;
  config.data.train = {argv[1]};
  config.tokenizer.type = kiln::TokenizerKind::byte;
  config.model = {.n_layers = 2, .d_model = 64, .n_heads = 4, .n_ctx = 64};
  config.model.resolve();
  config.train.steps = 200;
  config.train.batch_size.count = 8;
  config.train.resolve();

  kiln::TrainingRun run(config, argv[2]);
  run.train();

  const std::vector<kiln::Prompt> prompts{kiln::encode_prompt(run.tokenizer(), run.ids(), "Once")};
  const auto texts = kiln::complete(run.model(), run.tokenizer(), prompts, {});
  std::cout << "Once" << texts.front().text << "\n";
  return 0;
} catch (const kiln::Error& error) {
  std::cerr << "error: " << error.what() << "\n";
  return static_cast<int>(error.code());
}
