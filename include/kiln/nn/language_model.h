// Combines trunk and head over one layout: the model that is trained, evaluated, sampled or asked for scores.
#pragma once

#include "kiln/nn/gpt.h"
#include "kiln/nn/heads.h"

#include <variant>

namespace kiln {

/// A trunk and the head that its config asks for. With the score head it is a reward model, which has no unembedding.
template <class T>
struct LanguageModel {
  using Head = std::variant<NextTokenHead<T>, ScoreHead<T>>;

  LanguageModel(const ModelConfig& config, Index vocab_size)
      : trunk(config, vocab_size, layout), head(make_head(config, vocab_size)), vocab_size_(vocab_size) {}
  LanguageModel(const LanguageModel&) = delete;  // buffers refer to the layout
  LanguageModel& operator=(const LanguageModel&) = delete;

  const ModelConfig& config() const { return trunk.config(); }
  Index vocab_size() const { return vocab_size_; }

  /// Return the head if it is of this kind; null otherwise.
  const NextTokenHead<T>* next_token_head() const { return std::get_if<NextTokenHead<T>>(&head); }
  const ScoreHead<T>* score_head() const { return std::get_if<ScoreHead<T>>(&head); }

  ParameterLayout layout;
  Gpt<T> trunk;
  Head head;

 private:
  Head make_head(const ModelConfig& config, Index vocab_size) {
    if (config.head == HeadKind::score) return ScoreHead<T>(config, layout);
    return NextTokenHead<T>(config, vocab_size, trunk.token_embedding(), layout);
  }

  Index vocab_size_;
};

}  // namespace kiln
