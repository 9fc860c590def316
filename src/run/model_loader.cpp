// Config, tokenizer, weights: in that order, so that memory is taken last.
#include "kiln/run/model_loader.h"

#include "kiln/interop/huggingface.h"
#include "kiln/interop/llmc.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

namespace kiln {

void check_tokenizer_fits(const Tokenizer& tokenizer, Index vocab_size, const std::string& source) {
  check_input(tokenizer.vocab_size() <= vocab_size,
              "{}: the tokenizer has {} entries and the model's embedding {} rows; is it another model's tokenizer?",
              source, tokenizer.vocab_size(), vocab_size);
}

LoadedModel load_model(const std::string& run, const std::optional<std::string>& choice) {
  LoadedModel loaded{.source = open_model(run, choice), .tokenizer = nullptr, .model = nullptr, .weights = nullptr};
  const ModelSource& source = loaded.source;
  if (source.is_file()) {
    LlmcModel read = read_llmc_model(source.folder);
    loaded.model = std::move(read.model);
    loaded.weights = std::move(read.weights);
    loaded.tokenizer = std::make_unique<NoneTokenizer>(source.vocab_size);
    return loaded;
  }
  loaded.tokenizer = load_tokenizer(source.folder);
  check_tokenizer_fits(*loaded.tokenizer, source.vocab_size, source.folder.string());
  loaded.model = std::make_unique<LanguageModel<float>>(source.model, source.vocab_size);
  loaded.weights = std::make_unique<ParameterBuffer<float>>(
      read_huggingface_weights(source.folder, source.model, loaded.model->layout));
  return loaded;
}

}  // namespace kiln
