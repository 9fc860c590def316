// A small reward model.
#pragma once

#include "kiln/interop/huggingface.h"
#include "kiln/nn/init.h"
#include "kiln/nn/language_model.h"
#include "kiln/run/model_loader.h"

#include "support/scratch.h"
#include "text/byte_tokenizer.h"
#include <filesystem>
#include <string>
#include <vector>

namespace kiln::testing {

/// A reward model of bytes in a folder, with a context of 40 tokens.
struct ScoringFolder {
  ScoringFolder() {
    ModelConfig config;
    config.n_layers = 1;
    config.d_model = 16;
    config.n_heads = 2;
    config.n_ctx = 40;
    config.head = HeadKind::score;
    config.resolve();
    const ByteTokenizer tokenizer(number_special_tokens(std::vector<std::string>{"</s>"}, kByteCount));
    const LanguageModel<float> model(config, kByteCount + 1);
    ParameterBuffer<float> weights(model.layout);
    initialise(config, 7, weights);
    std::filesystem::create_directories(path);
    write_huggingface_folder(path, config, kByteCount + 1, weights,
                             tokenizer_files(tokenizer, config, {.ends = {256}, .end = 256}));
  }

  Scratch scratch;
  std::filesystem::path path = scratch.path("model");
};

}  // namespace kiln::testing
