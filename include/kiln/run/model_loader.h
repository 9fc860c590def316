// A trained model, ready to be evaluated, sampled and looked into.
#pragma once

#include "kiln/nn/language_model.h"
#include "kiln/run/model_source.h"
#include "kiln/text/tokenizer.h"

#include <memory>
#include <optional>
#include <string>

namespace kiln {

/// The tokenizer as files of a checkpoint folder.
TokenizerFiles tokenizer_files(const Tokenizer& tokenizer, const ModelConfig& model, const SpecialIds& ids);

struct LoadedModel {
  ModelSource source;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<LanguageModel<float>> model;
  std::unique_ptr<ParameterBuffer<float>> weights;

  /// The tokens that begin and end its texts (special_ids.h).
  SpecialIds ids() const;
};

/// Loads what a user calls RUN: a run directory (its best checkpoint where there is one, else the latest, or the one
/// that `choice` says: "latest", "best" or a step), a checkpoint folder, a Hugging Face model folder with its
/// tokenizer, or a model file of llm.c, whose tokenizer is `none`. Throws Error (usage, bad_input), also where
/// tokenizer and model do not fit together.
LoadedModel load_model(const std::string& run, const std::optional<std::string>& choice = std::nullopt);

/// The same with the tokenizer that lies at `tokenizer`, a file or a folder; its own is not looked at.
LoadedModel load_model_with_tokenizer(const std::string& run, const std::filesystem::path& tokenizer);

/// The tokenizer that lies with the model; null where a model of others has none.
std::unique_ptr<Tokenizer> own_tokenizer(const ModelSource& source);

/// The model and its weights, `tokenizer` being null.
LoadedModel load_weights(ModelSource source);

/// Checks that every id of the tokenizer has a row in the model's embedding; `source` is what the error (bad_input)
/// names.
void check_tokenizer_fits(const Tokenizer& tokenizer, Index vocab_size, const std::string& source);

}  // namespace kiln
