// Combines trunk and head over one layout: the model that is trained, evaluated, sampled or asked for scores.
#pragma once

#include "kiln/nn/gpt.h"
#include "kiln/nn/heads.h"

#include <optional>

namespace kiln {

/// A trunk and the heads that its config asks for. A reward model has no unembedding.
template <class T>
struct LanguageModel {
  LanguageModel(const ModelConfig& config, Index vocab_size)
      : trunk(config, vocab_size, layout), vocab_size_(vocab_size) {
    if (predicts_tokens(config.head)) next_token_.emplace(config, vocab_size, trunk.token_embedding(), layout);
    if (config.head != HeadKind::next_token) score_.emplace(config, layout);
  }
  LanguageModel(const LanguageModel&) = delete;  // buffers refer to the layout
  LanguageModel& operator=(const LanguageModel&) = delete;

  const ModelConfig& config() const { return trunk.config(); }
  Index vocab_size() const { return vocab_size_; }

  /// Return the head; null if the model has none of this kind. The score head also computes values.
  const NextTokenHead<T>* next_token_head() const { return next_token_ ? &*next_token_ : nullptr; }
  const ScoreHead<T>* score_head() const { return score_ ? &*score_ : nullptr; }

  ParameterLayout layout;
  Gpt<T> trunk;

 private:
  std::optional<NextTokenHead<T>> next_token_;
  std::optional<ScoreHead<T>> score_;
  Index vocab_size_;
};

}  // namespace kiln
