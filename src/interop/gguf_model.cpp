// Translates Hugging Face's table of tensors to llama.cpp's names and keys.
#include "kiln/interop/gguf_model.h"

#include "kiln/core/error.h"
#include "kiln/interop/gguf_tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

namespace kiln {
namespace {

struct GgufName {
  Module module;
  std::string_view whole;                       // the module's name within a layer
  std::array<std::string_view, 3> groups = {};  // for each column group, where the table splits them
};
constexpr GgufName kGgufNames[] = {
    {Module::wte, "token_embd"},
    {Module::wpe, "position_embd"},
    {Module::ln_1, "attn_norm"},
    {Module::c_attn, "attn_qkv", {"attn_q", "attn_k", "attn_v"}},
    {Module::attention_c_proj, "attn_output"},
    {Module::ln_2, "ffn_norm"},
    {Module::c_fc, "ffn_up", {"ffn_gate", "ffn_up"}},
    {Module::mlp_c_proj, "ffn_down"},
    {Module::ln_f, "output_norm"},
    {Module::lm_head, "output"},
};
constexpr std::string_view kPositionEmbedding = "position_embd.weight", kOutputMatrix = "output.weight";

/// Returns a name such as "blk.3.attn_norm.bias".
std::string gguf_name(const TensorPlace& place) {
  const auto* entry = std::ranges::find(kGgufNames, place.key.module, &GgufName::module);
  if (entry == std::end(kGgufNames)) fail(ExitCode::failure, "llama.cpp has no tensor '{}'", place.name);
  return fmt::format("{}{}.{}", is_in_layer(place.key.module) ? fmt::format("blk.{}.", place.key.layer) : "",
                     place.group < 0 ? entry->whole : entry->groups.at(static_cast<std::size_t>(place.group)),
                     place.key.tensor == TensorKind::bias ? "bias" : "weight");
}

/// Returns the model's sizes and constants, under the architecture's name.
std::vector<GgufKey> model_keys(const ModelConfig& m, Index vocab_size, DataType type) {
  const bool llama = family_of(m) == Family::llama;
  const std::string architecture = llama ? "llama" : "gpt2";
  std::vector<GgufKey> keys{{"general.architecture", architecture}};
  const auto add = [&](std::string_view name, auto value) {
    keys.push_back({fmt::format("{}.{}", architecture, name), value});
  };
  const auto add_size = [&](std::string_view name, Index size) { add(name, static_cast<std::uint32_t>(size)); };
  add_size("vocab_size", vocab_size);
  add_size("block_count", m.n_layers);
  add_size("context_length", m.n_ctx);
  add_size("embedding_length", m.d_model);
  add_size("feed_forward_length", m.mlp_size());
  add_size("attention.head_count", m.n_heads);
  const auto epsilon = static_cast<float>(m.norm_epsilon);
  if (llama) {
    add_size("attention.head_count_kv", m.kv_heads());
    add("attention.layer_norm_rms_epsilon", epsilon);
    add_size("attention.key_length", m.head_size());
    add_size("attention.value_length", m.head_size());
    add_size("rope.dimension_count", m.head_size());
    add("rope.freq_base", static_cast<float>(m.rope_theta));
  } else {
    add("attention.layer_norm_epsilon", epsilon);
  }
  const std::uint32_t file_type = type == DataType::f16 ? 1 : type == DataType::bf16 ? 32 : 0;
  keys.push_back({"general.file_type", file_type});
  return keys;
}

}  // namespace

std::vector<TensorPlace> gguf_table(const ModelConfig& model, const ParameterLayout& layout, TiedHead tied_head) {
  std::vector<TensorPlace> table = tensor_table(model, layout);
  for (TensorPlace& place : table) {
    place.name = gguf_name(place);
    if (place.transposed || !place.parameter || !is_hidden_matrix(layout[place.parameter].role)) continue;
    place.transposed = true;
    std::swap(place.shape[0], place.shape[1]);
  }
  if (family_of(model) == Family::gpt2 && model.tie_embeddings && tied_head == TiedHead::stored) {
    TensorPlace unembedding = *std::ranges::find(table, ParameterKey{Module::wte}, &TensorPlace::key);
    unembedding.name = kOutputMatrix;
    table.push_back(std::move(unembedding));
  }
  return table;
}

void interleave_rotary(const ModelConfig& model, ParameterBuffer<float>& weights) {
  const Index D = model.head_size(), half = D / 2, heads = model.n_heads + model.kv_heads();
  std::vector<float> halves(static_cast<std::size_t>(D));
  for (Index layer = 0; layer < model.n_layers; ++layer) {
    Mat<float> qkv = weights.mat(weights.layout().find({Module::c_attn, layer}));
    for (Index i = 0; i < qkv.rows(); ++i) {
      for (Index h = 0; h < heads; ++h) {
        float* head = row(qkv, i) + h * D;
        std::copy_n(head, D, halves.begin());
        for (Index j = 0; j < D; ++j) head[j] = halves[static_cast<std::size_t>((j % 2) * half + j / 2)];
      }
    }
  }
}

FileDigest write_gguf_model(const std::filesystem::path& path, const std::string& name, const ModelConfig& model,
                            Index vocab_size, ParameterBuffer<float> weights, const Tokenizer& tokenizer,
                            const SpecialIds& ids, DataType type, TiedHead tied_head,
                            const std::string& chat_template) {
  if (family_of(model) == Family::llama) interleave_rotary(model, weights);
  TensorSources sources(gguf_table(model, weights.layout(), tied_head), weights, type);
  for (TensorSource& tensor : sources.list()) {
    if (tensor.shape.size() == 1 || tensor.name == kPositionEmbedding) tensor.type = DataType::f32;
  }
  check_range(sources.list());
  std::vector<GgufKey> keys = model_keys(model, vocab_size, type);
  if (!name.empty()) keys.push_back({"general.name", name});
  std::ranges::move(gguf_tokenizer_keys(tokenizer, vocab_size, ids), std::back_inserter(keys));
  if (!chat_template.empty()) keys.push_back({"tokenizer.chat_template", chat_template});
  return write_gguf(path, keys, sources.list());
}

}  // namespace kiln
