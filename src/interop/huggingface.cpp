// Folders of config, weights and tokenizer, through the one table of tensors.
#include "kiln/interop/huggingface.h"

#include "kiln/core/error.h"
#include "kiln/interop/tensor_table.h"
#include "kiln/tensor/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace kiln {
namespace {

constexpr std::string_view kWeightsFile = "model.safetensors";
constexpr std::string_view kUnembedding = "lm_head.weight";
constexpr std::size_t kMostListed = 50;  // lines of one message

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

/// Buffers that transformers saved in some versions and that follow from the config.
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

/// The weights of a folder, held against the table of the model that is wanted.
class WeightsReader {
 public:
  WeightsReader(const std::filesystem::path& folder, const ModelConfig& model, const ParameterLayout& layout)
      : file_(open(folder)),
        family_(family_of(model)),
        table_(tensor_table(model, layout)),
        tied_copy_(model.tie_embeddings ? file_.find(kUnembedding) : nullptr) {
    match();
  }

  void read_into(ParameterBuffer<float>& weights) const {
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const TensorPlace& place = table_[i];
      if (place.parameter) {
        file_.read<float>(*tensors_[i], columns(weights.mat(place.parameter), place.begin, place.count),
                          place.transposed);
      } else if (tensors_[i] != nullptr) {
        check_zero(*tensors_[i]);
      }
    }
    if (tied_copy_ != nullptr) check_tied(weights);
  }

 private:
  /// One file today; a sharded folder's index would name several.
  static SafetensorsFile open(const std::filesystem::path& folder) {
    const std::filesystem::path path = path_within(folder, kWeightsFile);
    check_input(path_exists(path), "{}: there is no {}, the one file that kiln reads weights from", folder.string(),
                kWeightsFile);
    return SafetensorsFile(path);
  }

  /// Finds a tensor with or without the family's prefix.
  const TensorInfo* find(const std::string& name) const {
    const std::string_view prefix = prefix_of(family_);
    const TensorInfo* tensor = file_.find(name);
    if (tensor != nullptr || prefix.empty()) return tensor;
    return file_.find(name.starts_with(prefix) ? name.substr(prefix.size()) : std::string(prefix) + name);
  }

  void match() {
    std::vector<std::string> problems;
    std::set<const TensorInfo*> used;
    for (const TensorPlace& place : table_) {
      const TensorInfo* tensor = find(place.name);
      tensors_.push_back(tensor);
      used.insert(tensor);
      if (tensor == nullptr) {
        if (place.parameter) problems.push_back(fmt::format("'{}' {} is missing", place.name, shape_text(place.shape)));
      } else if (tensor->shape != place.shape) {
        problems.push_back(fmt::format("'{}' has shape {}, the config wants {}", tensor->name,
                                       shape_text(tensor->shape), shape_text(place.shape)));
      }
    }
    for (const TensorInfo& tensor : file_.tensors()) {
      if (used.contains(&tensor) || &tensor == tied_copy_ || is_derived(family_, tensor.name)) continue;
      problems.push_back(fmt::format("'{}' {} is not of this model", tensor.name, shape_text(tensor.shape)));
    }
    if (problems.empty()) return;
    const std::size_t shown = std::min(problems.size(), kMostListed);
    std::string text;
    for (std::size_t i = 0; i < shown; ++i) text += "\n  " + problems[i];
    if (shown < problems.size()) text += fmt::format("\n  and {} more", problems.size() - shown);
    fail(ExitCode::bad_input, "{}: the tensors are not those that the config describes:{}", file_.path().string(),
         text);
  }

  void check_zero(const TensorInfo& tensor) const {
    const std::vector<float> values = file_.read<float>(tensor.name);
    check_input(std::ranges::all_of(values, [](float value) { return value == 0; }),
                "{}: '{}' is not zero, and the config wants no biases", file_.path().string(), tensor.name);
  }

  /// A tied model's unembedding is sometimes saved all the same: it has to be the token embedding.
  void check_tied(const ParameterBuffer<float>& weights) const {
    const ParameterId embedding = weights.layout().find("wte.weight");
    const ConstVec<float> values = weights.vec(embedding);
    check_input(std::ranges::equal(file_.read<float>(tied_copy_->name), std::span(values.data(), values.size())),
                "{}: '{}' is not the token embedding, to which the config ties it; is tie_word_embeddings false?",
                file_.path().string(), tied_copy_->name);
  }

  SafetensorsFile file_;
  Family family_;
  std::vector<TensorPlace> table_;
  std::vector<const TensorInfo*> tensors_;  // for each of the table; null for zeros that the file leaves out
  const TensorInfo* tied_copy_;             // an unembedding that should not be there
};

}  // namespace

FileDigests write_huggingface_folder(const std::filesystem::path& folder, const ModelConfig& model, Index vocab_size,
                                     const ParameterBuffer<float>& weights, const TokenizerFiles& tokenizer) {
  FileDigests digests;
  auto write = [&](const std::string& name, const std::string& text) {
    if (!text.empty()) digests[name] = write_file_synced(folder / name, text);
  };
  write("config.json", format_json(huggingface_config(model, vocab_size, tokenizer.ids)));
  write("generation_config.json", format_json(huggingface_generation_config(tokenizer.ids)));
  write("tokenizer.json", tokenizer.tokenizer);
  write("tokenizer_config.json", tokenizer.config);

  const std::vector<TensorPlace> table = tensor_table(model, weights.layout());
  Index widest = 0;
  for (const TensorPlace& place : table) widest = std::max(widest, place.parameter ? 0 : place.count);
  const RowMajor<float> zeros = RowMajor<float>::Zero(1, widest);
  std::vector<TensorSource> sources;
  for (const TensorPlace& place : table) {
    const ConstMat<float> all = place.parameter ? weights.mat(place.parameter) : mat(zeros.data(), 1, widest);
    sources.push_back({place.name, place.shape, columns(all, place.begin, place.count), place.transposed});
  }
  digests[std::string(kWeightsFile)] = write_safetensors(folder / kWeightsFile, sources);
  return digests;
}

void read_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                              ParameterBuffer<float>& weights) {
  WeightsReader(folder, model, weights.layout()).read_into(weights);
}

ParameterBuffer<float> read_huggingface_weights(const std::filesystem::path& folder, const ModelConfig& model,
                                                const ParameterLayout& layout) {
  const WeightsReader reader(folder, model, layout);
  ParameterBuffer<float> weights(layout);
  reader.read_into(weights);
  return weights;
}

}  // namespace kiln
