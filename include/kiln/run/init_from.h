// Training that goes on from a model that is there, kiln's or another's: finetuning.
#pragma once

#include "kiln/core/json.h"
#include "kiln/nn/model_config.h"
#include "kiln/tensor/parameters.h"

#include <filesystem>

namespace kiln {

/// Completes a config's JSON by what init_from brings with it. `model` becomes its architecture; of the keys that are
/// there, dropout may be another, and so may n_ctx, which for learned positions can only be shorter: the first rows of
/// their table are kept. Every other difference becomes a problem. Without `tokenizer` the model's own is used.
/// Throws Error (usage, bad_input) where there is no such model.
void inherit_model(Json& document, const std::filesystem::path& init_from, Problems& problems);

/// The same for a run that is resumed, from its own config.json: init_from may have moved, grown or gone since.
/// Throws Error (bad_input).
void inherit_from_run(Json& document, const std::filesystem::path& run_config, Problems& problems);

/// Reads the weights of the model that inherit_model has looked at. Throws Error (bad_input).
void inherit_weights(const std::filesystem::path& init_from, ParameterBuffer<float>& weights);

}  // namespace kiln
