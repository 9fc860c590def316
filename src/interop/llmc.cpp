// One table of llm.c's order, over the names that GPT-2's parameters have in kiln.
#include "kiln/interop/llmc.h"

#include "kiln/core/error.h"
#include "kiln/tensor/elements.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {
namespace {

constexpr std::int32_t kMagic = 20240326, kVersionF32 = 3, kVersionBf16 = 5;
constexpr std::uint64_t kHeaderBytes = 1024;
constexpr double kNormEpsilon = 1e-5;  // written into llm.c's code
enum HeaderField : std::size_t { kMagicField, kVersion, kPositions, kVocabulary, kLayers, kHeads, kWidth, kPadded };
using Header = std::array<std::int32_t, kHeaderBytes / 4>;

struct Part {
  std::string_view name;  // within a layer, or of the whole model
  bool per_layer;
  bool transposed = false;  // kiln has [in, out]
};
constexpr Part kParts[] = {
    {"wte.weight", false},
    {"wpe.weight", false},
    {"ln_1.weight", true},
    {"ln_1.bias", true},
    {"attn.c_attn.weight", true, true},
    {"attn.c_attn.bias", true},
    {"attn.c_proj.weight", true, true},
    {"attn.c_proj.bias", true},
    {"ln_2.weight", true},
    {"ln_2.bias", true},
    {"mlp.c_fc.weight", true, true},
    {"mlp.c_fc.bias", true},
    {"mlp.c_proj.weight", true, true},
    {"mlp.c_proj.bias", true},
    {"ln_f.weight", false},
    {"ln_f.bias", false},
};

/// A tensor of the file, called as in kiln.
struct Place {
  std::string name;
  bool transposed;
};

/// All tensors in the order of the file.
std::vector<Place> file_order(Index layers) {
  std::vector<Place> places;
  for (const Part& part : kParts) {
    if (!part.per_layer) places.push_back({std::string(part.name), part.transposed});
    for (Index layer = 0; part.per_layer && layer < layers; ++layer) {
      places.push_back({fmt::format("h.{}.{}", layer, part.name), part.transposed});
    }
  }
  return places;
}

/// An open file whose header and length have been checked.
class LlmcReader {
 public:
  explicit LlmcReader(const std::filesystem::path& path) : file_(path) {
    const std::string name = path.string();
    check_input(file_.size() >= kHeaderBytes, "{}: {} bytes; the header of llm.c's model files alone takes {}", name,
                file_.size(), kHeaderBytes);
    file_.read(0, std::as_writable_bytes(std::span(header_)));
    check_input(header_[kMagicField] == kMagic, "{}: begins with {}; llm.c's model files begin with {}", name,
                header_[kMagicField], kMagic);
    const std::int32_t version = header_[kVersion];
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

  ModelDescription description() const { return {config_, header_[kVocabulary]}; }

  LlmcModel read() const {
    LlmcModel read{std::make_unique<LanguageModel<float>>(config_, header_[kVocabulary]), nullptr};
    const ParameterLayout& layout = read.model->layout;
    read.weights = std::make_unique<ParameterBuffer<float>>(layout);
    std::uint64_t offset = kHeaderBytes;
    for (const Place& place : file_order(config_.n_layers)) {
      const Mat<float> values = read.weights->mat(layout.find(place.name));
      read_elements(file_, offset, type_, values, place.transposed);
      const Index padding = offset == kHeaderBytes ? (header_[kPadded] - header_[kVocabulary]) * config_.d_model : 0;
      offset += static_cast<std::uint64_t>(values.size() + padding) * size_of(type_);
    }
    return read;
  }

 private:
  void read_config(const std::string& name) {
    Problems problems;
    constexpr std::pair<HeaderField, const char*> kSizes[] = {{kPositions, "the number of positions"},
                                                              {kVocabulary, "the vocabulary's size"},
                                                              {kLayers, "the number of layers"},
                                                              {kHeads, "the number of heads"},
                                                              {kWidth, "the width"}};
    for (const auto& [field, meaning] : kSizes) {
      check_input(header_[field] > 0, "{}: header[{}], {}, is {}; at least 1 is expected", name,
                  static_cast<std::size_t>(field), meaning, header_[field]);
    }
    check_input(header_[kPadded] >= header_[kVocabulary],
                "{}: header[{}], the rows of the embedding, is {}, less than the vocabulary's {}", name,
                static_cast<std::size_t>(kPadded), header_[kPadded], header_[kVocabulary]);
    config_.n_layers = header_[kLayers];
    config_.d_model = header_[kWidth];
    config_.n_heads = header_[kHeads];
    config_.n_ctx = header_[kPositions];
    config_.activation = Activation::gelu_new;
    config_.norm_epsilon = kNormEpsilon;
    config_.validate(problems, "");
    problems.throw_if_any(name, ExitCode::bad_input);
    config_.resolve();
  }

  /// No overflow: validate() bounds all but the embedding, whose two sizes are below 2^31.
  std::uint64_t count_elements() const {
    const auto C = static_cast<std::uint64_t>(config_.d_model), L = static_cast<std::uint64_t>(config_.n_layers);
    const auto rows = static_cast<std::uint64_t>(header_[kPadded]) + static_cast<std::uint64_t>(config_.n_ctx);
    return rows * C + L * (12 * C * C + 13 * C) + 2 * C;
  }

  FileReader file_;
  Header header_{};
  DataType type_ = DataType::f32;
  ModelConfig config_;
};

}  // namespace

LlmcModel read_llmc_model(const std::filesystem::path& path) { return LlmcReader(path).read(); }

ModelDescription read_llmc_description(const std::filesystem::path& path) { return LlmcReader(path).description(); }

}  // namespace kiln
