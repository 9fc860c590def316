// Reads and writes GPT-2's parameters in llm.c's order.
#include "kiln/interop/llmc.h"

#include "kiln/core/error.h"
#include "kiln/core/file_streams.h"
#include "kiln/core/format.h"
#include "kiln/core/report.h"
#include "kiln/interop/tensor_table.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr std::int32_t kLlmcMagic = 20240326, kVersionF32 = 3, kVersionBf16 = 5;
constexpr std::uint64_t kHeaderBytes = 1024;
constexpr Index kLlmcMultiple = 128;   // of the embedding's rows
constexpr double kLlmcEpsilon = 1e-5;  // hard-coded in llm.c
enum LlmcField : std::size_t {
  kMagicAt,
  kVersionAt,
  kPositionsAt,
  kVocabularyAt,
  kLayersAt,
  kHeadsAt,
  kWidthAt,
  kPaddedAt
};
using LlmcHeader = std::array<std::int32_t, kHeaderBytes / 4>;

/// The modules in the file's order. Those between the embeddings and ln_f occur once in each layer.
constexpr Module kLlmcModules[] = {
    Module::wte,  Module::wpe,  Module::ln_1,       Module::c_attn, Module::attention_c_proj,
    Module::ln_2, Module::c_fc, Module::mlp_c_proj, Module::ln_f};

/// Returns the tensors in the file's order, with zeros for biases that the model lacks. The layout has the layers in
/// order.
std::vector<TensorPlace> llmc_table(const ModelConfig& model, const ParameterLayout& layout) {
  const std::vector<TensorPlace> places = tensor_table(model, layout);
  std::vector<TensorPlace> table;
  for (const Module module : kLlmcModules) {
    for (const TensorKind tensor : {TensorKind::weight, TensorKind::bias}) {
      std::ranges::copy_if(places, std::back_inserter(table), [&](const TensorPlace& place) {
        return place.key.module == module && place.key.tensor == tensor;
      });
    }
  }
  for (TensorPlace& place : table) place.transposed = place.parameter && is_hidden_matrix(layout[place.parameter].role);
  return table;
}

/// Opens a file and checks its header and length.
class LlmcReader {
 public:
  explicit LlmcReader(const std::filesystem::path& path) : file_(path) {
    const std::string name = path.string();
    check_input(file_.size() >= kHeaderBytes,
                "{}: {}; the header of llm.c's model files alone takes {}; name such a file, "
                "a run directory or a folder with a model",
                name, counted(static_cast<std::int64_t>(file_.size()), "byte"), format_count(kHeaderBytes));
    file_.read(0, std::as_writable_bytes(std::span(header_)));
    check_input(header_[kMagicAt] == kLlmcMagic,
                "{}: begins with {}; llm.c's model files begin with {}; name such a file, a run directory or a folder "
                "with a model",
                name, header_[kMagicAt], kLlmcMagic);
    const std::int32_t version = header_[kVersionAt];
    check_input(version == kVersionF32 || version == kVersionBf16,
                "{}: a model file of version {}; versions {} (float32) and {} (bfloat16) are read", name, version,
                kVersionF32, kVersionBf16);
    type_ = version == kVersionF32 ? DataType::f32 : DataType::bf16;
    read_config(name);
    const std::uint64_t held = file_.size() - kHeaderBytes, wanted = count_elements(), width = size_of(type_);
    check_input(held % width == 0 && held / width == wanted,
                "{}: its header says {} elements of {} bytes, but {} bytes follow it; was it cut short?", name, wanted,
                width, held);
  }

  ModelDescription description() const { return {config_, header_[kVocabularyAt], {}}; }

  LlmcModel read() const {
    LlmcModel read{std::make_unique<LanguageModel<float>>(config_, header_[kVocabularyAt]), nullptr};
    const ParameterLayout& layout = read.model->layout;
    read.weights = std::make_unique<ParameterBuffer<float>>(layout);
    const Work work("reading weights", static_cast<double>(layout.count()), "parameters");
    std::uint64_t offset = kHeaderBytes;
    for (const TensorPlace& place : llmc_table(config_, layout)) {
      const Mat<float> values = read.weights->mat(place.parameter);
      read_elements(file_, offset, type_, values, place.transposed);
      const Index padding =
          offset == kHeaderBytes ? (header_[kPaddedAt] - header_[kVocabularyAt]) * config_.d_model : 0;
      offset += static_cast<std::uint64_t>(values.size() + padding) * size_of(type_);
    }
    return read;
  }

 private:
  void read_config(const std::string& name) {
    Problems problems;
    struct Size {
      LlmcField field;
      const char* meaning;
      const char* pointer;  // of the config
    };
    constexpr Size kSizes[] = {{kPositionsAt, "the number of positions", "/n_ctx"},
                               {kVocabularyAt, "the vocabulary's size", "/vocab_size"},
                               {kLayersAt, "the number of layers", "/n_layers"},
                               {kHeadsAt, "the number of heads", "/n_heads"},
                               {kWidthAt, "the width", "/d_model"}};
    for (const auto& [field, meaning, pointer] : kSizes) {
      const std::string place = fmt::format("header[{}], {}", static_cast<std::size_t>(field), meaning);
      check_input(header_[field] > 0, "{}: {}, is {}; at least 1 is expected", name, place, header_[field]);
      problems.rename(pointer, place);
    }
    check_input(header_[kPaddedAt] >= header_[kVocabularyAt],
                "{}: header[{}], the rows of the embedding, is {}, less than the vocabulary's {}", name,
                static_cast<std::size_t>(kPaddedAt), header_[kPaddedAt], header_[kVocabularyAt]);
    config_.n_layers = header_[kLayersAt];
    config_.d_model = header_[kWidthAt];
    config_.n_heads = header_[kHeadsAt];
    config_.n_ctx = header_[kPositionsAt];
    config_.activation = Activation::gelu_new;
    config_.norm_epsilon = kLlmcEpsilon;
    config_.validate(problems, "");
    problems.throw_if_any(name, ExitCode::bad_input);
    config_.resolve();
  }

  /// Cannot overflow: validate() bounds everything except the embedding, whose two sizes are below 2^31.
  std::uint64_t count_elements() const {
    const auto C = static_cast<std::uint64_t>(config_.d_model), L = static_cast<std::uint64_t>(config_.n_layers);
    const auto rows = static_cast<std::uint64_t>(header_[kPaddedAt]) + static_cast<std::uint64_t>(config_.n_ctx);
    return rows * C + L * (12 * C * C + 13 * C) + 2 * C;
  }

  FileReader file_;
  LlmcHeader header_{};
  DataType type_ = DataType::f32;
  ModelConfig config_;
};

}  // namespace

LlmcModel read_llmc_model(const std::filesystem::path& path) { return LlmcReader(path).read(); }

ModelDescription read_llmc_description(const std::filesystem::path& path) { return LlmcReader(path).description(); }

FileDigest write_llmc_model(const std::filesystem::path& path, const ModelConfig& model, Index vocab_size,
                            const ParameterBuffer<float>& weights, DataType type) {
  TensorSources sources(llmc_table(model, weights.layout()), weights, type);
  check_range(sources.list());
  const Index padded = (vocab_size + kLlmcMultiple - 1) / kLlmcMultiple * kLlmcMultiple;
  LlmcHeader header{};
  const auto set = [&](LlmcField field, Index value) { header[field] = static_cast<std::int32_t>(value); };
  set(kMagicAt, kLlmcMagic);
  set(kVersionAt, type == DataType::bf16 ? kVersionBf16 : kVersionF32);
  set(kPositionsAt, model.n_ctx);
  set(kVocabularyAt, vocab_size);
  set(kLayersAt, model.n_layers);
  set(kHeadsAt, model.n_heads);
  set(kWidthAt, model.d_model);
  set(kPaddedAt, padded);
  FileWriter file(path);
  file.write({reinterpret_cast<const char*>(header.data()), sizeof header});
  std::string padding(static_cast<std::size_t>((padded - vocab_size) * model.d_model) * size_of(type), '\0');
  for (const TensorSource& tensor : sources.list()) {
    write_elements(file, tensor);
    file.write(std::exchange(padding, {}));  // only after the first tensor
  }
  return file.finish();
}

}  // namespace kiln
