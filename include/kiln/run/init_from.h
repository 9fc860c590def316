// Inherits model, tokenizer and weights from an existing model, kiln's or another's, for finetuning.
#pragma once

#include "kiln/core/json.h"
#include "kiln/nn/model_config.h"
#include "kiln/run/model_source.h"
#include "kiln/tensor/parameters.h"

#include <filesystem>

namespace kiln {

/// Completes a config's JSON from init_from. `model` becomes its architecture. Of the keys given, dropout may differ,
/// and so may n_ctx, which learned positions only allow to be shorter: the first rows of their table are kept. Every
/// other difference becomes a problem. Without `tokenizer`, uses the model's own. Throws Error (usage, bad_input) if
/// there is no such model. Does not verify a checkpoint's weights.
void inherit_model(Json& document, const std::filesystem::path& init_from, Problems& problems);

/// Does the same for a resumed run, from its own config.json: init_from may have changed or disappeared since. Throws
/// Error (bad_input).
void inherit_from_run(Json& document, const std::filesystem::path& run_config, Problems& problems);

/// Reads the weights of the model that inherit_model described. If `known_tokens` is not 0, the rows of later tokens
/// begin as the mean of the rows of these, in the embedding and the unembedding. Adapters stay as they are, and so
/// does a score head if the source is a language model. T is float or bfloat16. Throws Error (usage, bad_input), and
/// as check_finite_weights does.
template <class T>
void inherit_weights(const ModelSource& source, Index known_tokens, ParameterBuffer<T>& weights);

}  // namespace kiln
