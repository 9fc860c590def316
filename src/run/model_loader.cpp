// Loads config, tokenizer and weights, in this order, so that memory is allocated last.
#include "kiln/run/model_loader.h"

#include "kiln/core/file.h"
#include "kiln/interop/huggingface.h"
#include "kiln/interop/llmc.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

namespace kiln {
namespace {

LoadedModel load(ModelSource source, std::unique_ptr<Tokenizer> tokenizer) {
  LoadedModel loaded{
      .source = std::move(source), .tokenizer = std::move(tokenizer), .model = nullptr, .weights = nullptr};
  const ModelSource& from = loaded.source;
  if (from.is_file()) {
    LlmcModel read = read_llmc_model(from.folder);
    loaded.model = std::move(read.model);
    loaded.weights = std::move(read.weights);
  } else {
    loaded.model = std::make_unique<LanguageModel<float>>(from.model, from.vocab_size);
    loaded.weights = std::make_unique<ParameterBuffer<float>>(
        read_huggingface_weights(from.folder, from.model, loaded.model->layout));
  }
  return loaded;
}

}  // namespace

void check_tokenizer_fits(const Tokenizer& tokenizer, Index vocab_size, const std::string& source) {
  check_input(tokenizer.vocab_size() <= vocab_size,
              "{}: the tokenizer has {} entries and the model's embedding {} rows; is it another model's tokenizer?",
              source, tokenizer.vocab_size(), vocab_size);
}

TokenizerFiles tokenizer_files(const Tokenizer& tokenizer, const ModelConfig& model, const SpecialIds& ids,
                               const std::string& chat_template) {
  Json config = tokenizer_config_json(tokenizer, model.n_ctx, ids);
  if (!chat_template.empty()) config["chat_template"] = chat_template;
  return {
      .tokenizer = format_tokenizer_json(tokenizer), .config = format_json(config), .ids = ids, .chat = chat_template};
}

SpecialIds LoadedModel::ids() const {
  return special_ids(*tokenizer, source.config ? source.config->tokenizer : TokenizerConfig(), source.named);
}

LoadedModel load_model(const std::string& run, const std::optional<std::string>& choice) {
  ModelSource source = open_model(run, choice);
  std::unique_ptr<Tokenizer> tokenizer;
  if (source.is_file()) {
    tokenizer = std::make_unique<NoneTokenizer>(source.vocab_size);
  } else {
    tokenizer = load_tokenizer(source.folder);
    check_tokenizer_fits(*tokenizer, source.vocab_size, source.folder.string());
  }
  return load(std::move(source), std::move(tokenizer));
}

LoadedModel load_model_with_tokenizer(const std::string& run, const std::filesystem::path& tokenizer) {
  ModelSource source = open_model(run);
  std::unique_ptr<Tokenizer> other = load_tokenizer(tokenizer);
  check_tokenizer_fits(*other, source.vocab_size, tokenizer.string());
  source.named = is_folder(tokenizer) ? read_token_names(tokenizer) : NamedTokens();
  if (source.config) source.config->tokenizer = {};  // it names tokens of the model's own tokenizer
  return load(std::move(source), std::move(other));
}

std::unique_ptr<Tokenizer> own_tokenizer(const ModelSource& source) {
  const bool has_one = path_exists(source.folder / kTokenizerFile) || path_exists(source.folder / "vocab.json");
  return has_one ? load_tokenizer(source.folder) : nullptr;
}

LoadedModel load_weights(ModelSource source) { return load(std::move(source), nullptr); }

}  // namespace kiln
