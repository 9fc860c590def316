// The contents of a checkpoint of a small model in training, for tests that save and load it.
#pragma once

#include "kiln/run/checkpoint.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include "support/small_models.h"

namespace kiln::testing {

/// A model, two slots of optimizer state and a trainer's state, all drawn from a seed.
struct SmallTraining {
  explicit SmallTraining(const ModelConfig& model = small_gpt2(), std::uint64_t seed = 1)
      : small(model, seed), m(small.draw(seed + 1000)), v(small.draw(seed + 2000)) {
    config.name = "small";
    config.model = model;
    if (model.head == HeadKind::score) config.objective.type = ObjectiveKind::reward;
    config.train.resolve();
    state.seconds = 1.0 / 3;
    state.best_loss = 2.5;
    state.seed = config.seed;
  }

  std::vector<OptimizerSlot> slots() { return {{"m", &m}, {"v", &v}}; }

  CheckpointContents contents(std::int64_t step = 0) {
    state.step = step;
    return {config,
            kSmallVocabulary,
            small.weights,
            slots(),
            {format_tokenizer_json(NoneTokenizer(kSmallVocabulary)), "{}\n", {}},
            state};
  }

  Config config;
  SmallModel small;
  ParameterBuffer<float> m, v;
  TrainerState state;
};

}  // namespace kiln::testing
