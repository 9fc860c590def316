// Loads trained models for evaluation, sampling and inspection.
#pragma once

#include "kiln/nn/language_model.h"
#include "kiln/nn/model_weights.h"
#include "kiln/run/model_source.h"
#include "kiln/text/tokenizer.h"

#include <memory>
#include <optional>
#include <string>

namespace kiln {

/// Returns the tokenizer, and a chat template in Jinja if there is one, as files of a checkpoint folder. Those of a
/// reward model name a token for padding.
TokenizerFiles tokenizer_files(const Tokenizer& tokenizer, const ModelConfig& model, SpecialIds ids,
                               const std::string& chat_template = "");

/// A model in memory, in one precision: in bfloat16 its weights have no float masters.
struct LoadedModel {
  ModelSource source;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<LanguageModel<float>> model;
  std::unique_ptr<ModelWeights> weights;

  /// Returns the tokens that mark where texts start and end (special_ids.h).
  SpecialIds ids() const;

  ModelView view() const { return {*model, *weights}; }
};

/// Returns the precision to compute in, fp32 or bf16: the chosen one, else that of the run's training, else fp32.
Precision precision_of(const ModelSource& source, std::optional<Precision> chosen = std::nullopt);

/// Loads the RUN of a command line: a run directory (its best checkpoint, or else the latest, or that of `choice`:
/// "latest", "best" or a step), a checkpoint folder, a Hugging Face model folder with its tokenizer, a folder of
/// adapters, or an llm.c model file, whose tokenizer is `none`. Its weights are in float. Throws Error (usage,
/// bad_input), also if tokenizer and model do not match or the model is not of the kind.
LoadedModel load_model(const std::string& run, const std::optional<std::string>& choice = std::nullopt,
                       ModelKind kind = ModelKind::language);

/// Loads a model that open_model has opened. In bfloat16 the weights are rounded as they are read, adapters' base
/// before the adapters are added.
LoadedModel load_model(ModelSource source, ModelKind kind = ModelKind::language, Precision precision = Precision::fp32);

/// Does the same for a language model with the tokenizer at `tokenizer`, a file or folder, instead of the model's own.
LoadedModel load_model_with_tokenizer(const std::string& run, const std::filesystem::path& tokenizer);

/// Returns the model's own tokenizer; null if a foreign model has none.
std::unique_ptr<Tokenizer> own_tokenizer(const ModelSource& source);

/// Loads the model and its weights; `tokenizer` stays null.
LoadedModel load_weights(ModelSource source, Precision precision = Precision::fp32);

/// Throws Error (diverged) if a weight is NaN or infinite; `name` is the model's. T is float or bfloat16.
template <class T>
void check_finite_weights(const ParameterBuffer<T>& weights, const std::string& name);

/// Throws Error (usage) if a model with this head cannot begin with the weights of the source: a reward model's trunk
/// is also that of a language model, but a language model needs a head that a reward model does not have.
void check_can_begin(const ModelSource& source, HeadKind head);

/// Reads a model's weights into a buffer over a layout with the same parameters, and perhaps adapters, which stay as
/// they are; so does a score head if the source is a language model. The layout may have fewer positions, and fewer or
/// more rows of tokens; further ones stay as they are. T is float or bfloat16. Takes no second copy of the weights
/// unless shapes differ or the model is an adapter or llm.c's. Throws Error (bad_input), and as check_can_begin does.
template <class T>
void read_weights(const ModelSource& source, ParameterBuffer<T>& weights);

/// Throws Error (bad_input) unless every id of the tokenizer has a row in the model's embedding; the message names
/// `source`.
void check_tokenizer_fits(const Tokenizer& tokenizer, Index vocab_size, const std::string& source);

}  // namespace kiln
