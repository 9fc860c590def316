// Config, tokenizer, weights: in that order, so that memory is taken last.
#include "kiln/run/model_loader.h"

#include "kiln/interop/huggingface.h"
#include "kiln/text/tokenizer_json.h"

namespace kiln {

LoadedModel load_model(const std::string& run, const std::optional<std::string>& choice) {
  LoadedModel loaded{.source = open_model(run, choice), .tokenizer = nullptr, .model = nullptr, .weights = nullptr};
  const ModelSource& source = loaded.source;
  loaded.tokenizer = load_tokenizer(source.folder);
  check_input(loaded.tokenizer->vocab_size() <= source.vocab_size,
              "{}: the tokenizer has {} entries and the model's embedding {} rows; is it another model's tokenizer?",
              source.folder.string(), loaded.tokenizer->vocab_size(), source.vocab_size);
  loaded.model = std::make_unique<LanguageModel<float>>(source.model, source.vocab_size);
  loaded.weights = std::make_unique<ParameterBuffer<float>>(
      read_huggingface_weights(source.folder, source.model, loaded.model->layout));
  return loaded;
}

}  // namespace kiln
