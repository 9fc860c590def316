// Loads config, tokenizer and weights, in this order, so that memory is allocated last.
#include "kiln/run/model_loader.h"

#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/interop/huggingface.h"
#include "kiln/interop/llmc.h"
#include "kiln/interop/peft.h"
#include "kiln/nn/adapter.h"
#include "kiln/nn/init.h"
#include "kiln/text/none_tokenizer.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <type_traits>

namespace kiln {
namespace {

/// Reads adapters and their base, and adds the ones to the other. A reward model's base may be a language model.
template <class T>
void read_adapted(const ModelSource& source, ParameterBuffer<T>& weights) {
  ModelConfig adapted = source.model;
  adapted.lora = source.adapter->lora;
  const LanguageModel<float> model(adapted, source.vocab_size);
  const ParameterLayout layout = model.layout.subset(trains_with_adapters);
  ParameterBuffer<float> adapters(layout);
  read_adapters(source.folder, adapted, adapters);
  if (source.adapter->base.empty()) {
    initialise(source.model, source.config->seed, weights);
  } else {
    read_weights(open_model(source.adapter->base, std::nullopt, Verify::no), weights);
  }
  merge_adapters(adapted.lora, adapters, weights);
}

/// Returns zeroed weights to read: in bfloat16 there are no masters.
std::unique_ptr<ModelWeights> weights_to_read(const ParameterLayout& layout, Precision precision) {
  const ParameterLayout with_masters = layout.subset([](const Parameter&) { return false; });
  auto weights = std::make_unique<ModelWeights>(layout, with_masters, precision);
  weights->keep_only_what_is_read();
  return weights;
}

LoadedModel load(ModelSource source, std::unique_ptr<Tokenizer> tokenizer, Precision precision) {
  LoadedModel loaded{
      .source = std::move(source), .tokenizer = std::move(tokenizer), .model = nullptr, .weights = nullptr};
  const ModelSource& from = loaded.source;
  if (from.is_file()) {
    LlmcModel read = read_llmc_model(from.folder);
    loaded.model = std::move(read.model);
    loaded.weights = std::make_unique<ModelWeights>(std::move(read.weights), precision);
    loaded.weights->keep_only_what_is_read();
    return loaded;
  }
  loaded.model = std::make_unique<LanguageModel<float>>(from.model, from.vocab_size);
  if (!from.adapter) check_huggingface_weights(from.folder, from.model, loaded.model->layout);  // then take memory
  loaded.weights = weights_to_read(loaded.model->layout, precision);
  with_precision(precision, [&]<class T>() {
    ParameterBuffer<T>& weights = loaded.weights->as<T>();
    from.adapter ? read_adapted(from, weights) : read_huggingface_weights(from.folder, from.model, weights);
  });
  return loaded;
}

/// Returns true for a parameter that the source does not have.
bool is_added(const ModelSource& source, const Parameter& p) {
  return is_adapter(p) || (p.role == Role::score && predicts_tokens(source.model.head));
}

/// Returns true if the folder's tensors have the shapes of the layout's parameters, so that they can be read into it.
bool has_same_shapes(const ModelSource& source, const ParameterLayout& layout) {
  const LanguageModel<float> model(source.model, source.vocab_size);
  return std::ranges::all_of(layout.parameters(), [&](const Parameter& p) {
    const ParameterId id = model.layout.find(p.key);
    return is_added(source, p) || (id && model.layout[id].shape() == p.shape());
  });
}

}  // namespace

void check_can_begin(const ModelSource& source, HeadKind head) {
  check(head == HeadKind::score || predicts_tokens(source.model.head),
        "{}: is a reward model, which cannot predict tokens; a language model is expected", source.folder.string());
}

template <class T>
void read_weights(const ModelSource& source, ParameterBuffer<T>& weights) {
  check_can_begin(source, weights.layout().find({Module::score}) ? HeadKind::score : HeadKind::next_token);
  if (!source.is_file() && !source.adapter && has_same_shapes(source, weights.layout())) {
    return read_huggingface_weights(source.folder, source.model, weights);
  }
  const LoadedModel loaded = load_weights(source, std::is_same_v<T, float> ? Precision::fp32 : Precision::bf16);
  for (const Parameter& p : weights.layout().parameters()) {
    if (is_added(source, p)) continue;
    Mat<T> to = weights.mat(p.id);
    const ConstMat<T> from = as_const(loaded.weights->as<T>().mat(loaded.model->layout.find(p.key)));
    const Index rows = std::min(to.rows(), from.rows());  // there may be fewer positions, or more tokens
    to.topRows(rows) = from.topRows(rows);
  }
}

template <class T>
void check_finite_weights(const ParameterBuffer<T>& weights, const std::string& name) {
  if (weights.all().allFinite()) return;
  fail(ExitCode::diverged, "{}: some weights are NaN or infinite: the model has diverged; choose another one", name);
}

template void check_finite_weights<float>(const ParameterBuffer<float>&, const std::string&);
template void check_finite_weights<bfloat16>(const ParameterBuffer<bfloat16>&, const std::string&);
template void read_weights<float>(const ModelSource&, ParameterBuffer<float>&);
template void read_weights<bfloat16>(const ModelSource&, ParameterBuffer<bfloat16>&);

void check_tokenizer_fits(const Tokenizer& tokenizer, Index vocab_size, const std::string& source) {
  check_input(tokenizer.vocab_size() <= vocab_size,
              "{}: the tokenizer has {} and the model's embedding {}; is it another model's tokenizer?", source,
              counted(tokenizer.vocab_size(), "entry"), counted(vocab_size, "row"));
}

TokenizerFiles tokenizer_files(const Tokenizer& tokenizer, const ModelConfig& model, SpecialIds ids,
                               const std::string& chat_template) {
  if (model.head == HeadKind::score) ids.padding = padding_id(tokenizer, ids, chat_template);
  Json config = tokenizer_config_json(tokenizer, model.n_ctx, ids);
  if (!chat_template.empty()) config["chat_template"] = chat_template;
  return {
      .tokenizer = format_tokenizer_json(tokenizer), .config = format_json(config), .ids = ids, .chat = chat_template};
}

Precision precision_of(const ModelSource& source, std::optional<Precision> chosen) {
  if (chosen) return resolved(*chosen);
  return source.config ? resolved(source.config->train.precision) : Precision::fp32;
}

SpecialIds LoadedModel::ids() const {
  return special_ids(*tokenizer, source.config ? source.config->tokenizer : TokenizerConfig(), source.named);
}

LoadedModel load_model(const std::string& run, const std::optional<std::string>& choice, ModelKind kind) {
  return load_model(open_model(run, choice), kind);
}

LoadedModel load_model(ModelSource source, ModelKind kind, Precision precision) {
  require_kind(source, kind);
  std::unique_ptr<Tokenizer> tokenizer;
  if (source.has_ids_alone()) {
    tokenizer = std::make_unique<NoneTokenizer>(source.vocab_size);
  } else {
    const std::filesystem::path folder = source.text_folder();
    tokenizer = load_tokenizer(folder);
    check_tokenizer_fits(*tokenizer, source.vocab_size, source.folder.string());
    warn_of_unknown_ids(folder, tokenizer->vocab_size());
  }
  return load(std::move(source), std::move(tokenizer), precision);
}

LoadedModel load_model_with_tokenizer(const std::string& run, const std::filesystem::path& tokenizer) {
  ModelSource source = open_model(run);
  require_kind(source, ModelKind::language);
  std::unique_ptr<Tokenizer> other = load_tokenizer(tokenizer);
  check_tokenizer_fits(*other, source.vocab_size, tokenizer.string());
  source.named = is_folder(tokenizer) ? read_token_names(tokenizer) : NamedTokens();
  if (source.config) source.config->tokenizer = {};  // it names tokens of the model's own tokenizer
  return load(std::move(source), std::move(other), Precision::fp32);
}

std::unique_ptr<Tokenizer> own_tokenizer(const ModelSource& source) {
  const std::filesystem::path folder = source.text_folder();
  return has_tokenizer(folder) ? load_tokenizer(folder) : nullptr;
}

LoadedModel load_weights(ModelSource source, Precision precision) {
  return load(std::move(source), nullptr, precision);
}

}  // namespace kiln
