// Combines trunk and next-token head over one layout: the model that is trained, evaluated and sampled.
#pragma once

#include "kiln/nn/gpt.h"
#include "kiln/nn/heads.h"

namespace kiln {

template <class T>
struct LanguageModel {
  LanguageModel(const ModelConfig& config, Index vocab_size)
      : trunk(config, vocab_size, layout), head(config, vocab_size, trunk.token_embedding(), layout) {}
  LanguageModel(const LanguageModel&) = delete;  // buffers refer to the layout
  LanguageModel& operator=(const LanguageModel&) = delete;

  const ModelConfig& config() const { return trunk.config(); }
  Index vocab_size() const { return head.vocab_size(); }

  ParameterLayout layout;
  Gpt<T> trunk;
  NextTokenHead<T> head;
};

}  // namespace kiln
