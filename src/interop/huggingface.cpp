// Writes and reads folders of config, weights and tokenizer through the tensor table.
#include "kiln/interop/huggingface.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/interop/tensor_table.h"
#include "kiln/interop/weight_files.h"
#include "kiln/nn/position_tables.h"
#include "kiln/text/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace kiln {
namespace {

constexpr ParameterKey kEmbedding{Module::wte};
constexpr std::string_view kUnembedding = "lm_head.weight";
constexpr std::size_t kMostListed = 50;  // lines per message
constexpr double kSmallTables = 64e6;    // bytes of position tables that are always accepted

std::string_view prefix_of(Family family) {
  switch (family) {
    case Family::gpt2:
      return "transformer.";
    case Family::llama:
      return "model.";
    case Family::kiln:
      break;
  }
  return "";
}

/// Returns whether a tensor is a buffer that some transformers versions saved and that the config determines.
bool is_derived(Family family, std::string_view name) {
  switch (family) {
    case Family::gpt2:
      return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
    case Family::llama:
      return name.ends_with(".rotary_emb.inv_freq");
    case Family::kiln:
      break;
  }
  return false;
}

/// Matches a folder's weights against the tensor table of a model.
class WeightsReader {
 public:
  WeightsReader(const std::filesystem::path& folder, const ModelConfig& model, const ParameterLayout& layout)
      : files_(folder),
        family_(family_of(model)),
        table_(tensor_table(model, layout)),
        unembedding_(has_tied_head(model) ? files_.find(kUnembedding) : nullptr),
        skips_head_(predicts_tokens(model.head) && layout.find({Module::score})) {
    match();
  }

  template <class T>
  void read_into(ParameterBuffer<T>& weights) const {
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const TensorPlace& place = table_[i];
      if (place.parameter) {
        tensors_[i]->file->template read<T>(
            *tensors_[i]->info, columns(weights.mat(place.parameter), place.begin, place.count), place.transposed);
      } else if (tensors_[i] != nullptr) {
        check_zero(*tensors_[i]);
      }
    }
    if (unembedding_ != nullptr) check_tied(weights);
  }

 private:
  static bool has_tied_head(const ModelConfig& model) { return predicts_tokens(model.head) && model.tie_embeddings; }

  /// Returns true for a tensor that the folder may hold and that is not read.
  bool is_passed_over(const StoredTensor& tensor) const {
    const std::string& name = tensor.info->name;
    return &tensor == unembedding_ || is_derived(family_, name) || (skips_head_ && name == kUnembedding);
  }

  /// Finds a tensor with or without the family's prefix.
  const StoredTensor* find(const std::string& name) const {
    const std::string_view prefix = prefix_of(family_);
    const StoredTensor* tensor = files_.find(name);
    if (tensor != nullptr || prefix.empty()) return tensor;
    return files_.find(name.starts_with(prefix) ? name.substr(prefix.size()) : std::string(prefix) + name);
  }

  void match() {
    std::vector<std::string> problems;
    std::set<const StoredTensor*> used;
    for (const TensorPlace& place : table_) {
      const StoredTensor* tensor = find(place.name);
      const bool is_embedding = place.parameter && place.key == kEmbedding;
      if (tensor == nullptr && is_embedding) tensor = std::exchange(unembedding_, nullptr);  // tied: saved once
      tensors_.push_back(tensor);
      used.insert(tensor);
      if (tensor == nullptr) {
        if (place.parameter) problems.push_back(fmt::format("'{}' {} is missing", place.name, shape_text(place.shape)));
      } else if (tensor->info->shape != place.shape) {
        problems.push_back(fmt::format("'{}' has shape {}, the config wants {}", tensor->info->name,
                                       shape_text(tensor->info->shape), shape_text(place.shape)));
      }
    }
    for (const StoredTensor& tensor : files_.tensors()) {
      const TensorInfo& info = *tensor.info;
      if (used.contains(&tensor) || is_passed_over(tensor)) continue;
      problems.push_back(fmt::format("'{}' {} is not of this model", info.name, shape_text(info.shape)));
    }
    if (problems.empty()) return;
    const std::size_t shown = std::min(problems.size(), kMostListed);
    std::vector<std::string> lines{
        fmt::format("{}: the tensors are not those that the config describes:", files_.path().string())};
    for (std::size_t i = 0; i < shown; ++i) lines.push_back("  " + problems[i]);
    if (shown < problems.size()) lines.push_back(fmt::format("  and {} more", problems.size() - shown));
    fail_lines(ExitCode::bad_input, lines);
  }

  static void check_zero(const StoredTensor& tensor) {
    const std::vector<float> values = tensor.file->read<float>(tensor.info->name);
    check_input(std::ranges::all_of(values, [](float value) { return value == 0; }),
                "{}: '{}' is not zero, and the config wants no biases", tensor.file->path().string(),
                tensor.info->name);
  }

  /// Checks that a tied model's unembedding, if it was saved as well, equals the token embedding.
  template <class T>
  void check_tied(const ParameterBuffer<T>& weights) const {
    const ParameterId embedding = weights.layout().find(kEmbedding);
    const ConstVec<T> values = weights.vec(embedding);
    const std::vector<T> copy = unembedding_->file->template read<T>(kUnembedding);
    check_input(std::ranges::equal(copy, std::span(values.data(), static_cast<std::size_t>(values.size()))),
                "{}: '{}' is not the token embedding, to which the config ties it; is tie_word_embeddings false?",
                unembedding_->file->path().string(), kUnembedding);
  }

  WeightFiles files_;
  Family family_;
  std::vector<TensorPlace> table_;
  std::vector<const StoredTensor*> tensors_;  // for each place of the table; null: zeros that the files omit
  const StoredTensor* unembedding_;           // of a tied model: a second copy of its embedding
  bool skips_head_;                           // reads a language model's trunk into a reward model
};

}  // namespace

FileDigests write_tokenizer_files(const std::filesystem::path& folder, const TokenizerFiles& tokenizer) {
  FileDigests digests;
  const auto write = [&](const std::string& name, const std::string& text) {
    if (!text.empty()) digests[name] = write_file_synced(folder / name, text);
  };
  write(kTokenizerFile, tokenizer.tokenizer);
  write(kTokenizerConfigFile, tokenizer.config);
  write(kChatTemplateFile, tokenizer.chat);
  write(kGenerationConfigFile, format_json(huggingface_generation_config(tokenizer.ids)));
  return digests;
}

FileDigests write_huggingface_folder(const std::filesystem::path& folder, const ModelConfig& model, Index vocab_size,
                                     const ParameterBuffer<float>& weights, const TokenizerFiles& tokenizer,
                                     const HuggingFaceOptions& options) {
  TensorSources sources(tensor_table(model, weights.layout()), weights, options.type);
  check_range(sources.list());
  FileDigests digests = write_tokenizer_files(folder, tokenizer);
  Json config = huggingface_config(model, vocab_size, tokenizer.ids, options.type);
  if (options.rewards != RewardScale()) config[kRewardScaleKey] = to_json(options.rewards);
  digests[kModelConfigFile] = write_file_synced(folder / kModelConfigFile, format_json(config));
  digests.merge(write_weight_files(folder, sources.list(), options.shard_bytes));
  return digests;
}

template <class T>
void read_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                              ParameterBuffer<T>& weights) {
  WeightsReader(folder, model, weights.layout()).read_into(weights);
}

template void read_huggingface_weights<float>(const std::filesystem::path&, const ModelConfig&,
                                              ParameterBuffer<float>&);
template void read_huggingface_weights<bfloat16>(const std::filesystem::path&, const ModelConfig&,
                                                 ParameterBuffer<bfloat16>&);

void check_config_against_weights(const std::filesystem::path& folder, const ModelConfig& model) {
  const WeightFiles files(folder);
  const std::string path = files.path().string();
  const std::size_t tensors = files.tensors().size();
  check_input(std::cmp_less_equal(model.n_layers, tensors),
              "{}: holds {}, but the config wants {}; do they belong to two models?", path,
              counted(static_cast<std::int64_t>(tensors), "tensor"), counted(model.n_layers, "layer"));
  std::uint64_t held = 0;
  for (const StoredTensor& tensor : files.tensors()) held += tensor.info->end - tensor.info->begin;
  const double wanted = static_cast<double>(PositionTables<float>::bytes(model));
  check_input(wanted <= std::max(static_cast<double>(held), kSmallTables),
              "{}: holds {}, but the config wants {} and {}, whose tables alone take {}; do they "
              "belong to two models?",
              path, format_bytes(static_cast<double>(held)), counted(model.n_ctx, "position"),
              counted(model.n_heads, "head"), format_bytes(wanted));
}

void check_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                               const ParameterLayout& layout) {
  const WeightsReader matched(folder, model, layout);
}

ParameterBuffer<float> read_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                                                const ParameterLayout& layout) {
  const WeightsReader reader(folder, model, layout);
  ParameterBuffer<float> weights(layout);
  const Work work("reading weights", static_cast<double>(layout.count()), "parameters");
  reader.read_into(weights);
  return weights;
}

}  // namespace kiln
