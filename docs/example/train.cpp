// Trains a byte-level transformer on a text and prints what it writes: example TEXT RUN
#include <iostream>
#include <kiln/infer/complete.h>
#include <kiln/infer/prompt.h>
#include <kiln/run/run_directory.h>
#include <kiln/train/trainer.h>

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

  kiln::RunDirectory run(argv[2], kiln::OpenMode::fresh);
  const auto prepared = kiln::prepare(config, run.paths(), false);
  const int code = kiln::Trainer(*prepared, run.paths(), false).run();

  const kiln::ModelView model(*prepared->model, *prepared->weights);
  const std::vector<kiln::Prompt> prompts{kiln::encode_prompt(*prepared->tokenizer, prepared->ids, "Once")};
  const auto texts = kiln::complete(model, *prepared->tokenizer, prompts, {});
  std::cout << "Once" << texts.front().text << "\n";
  return code;
} catch (const kiln::Error& error) {
  std::cerr << "error: " << error.what() << "\n";
  return static_cast<int>(error.code());
}
