// Translates Hugging Face's table of tensors to llama.cpp's names and keys.
#include "kiln/interop/gguf_model.h"

#include "kiln/core/error.h"
#include "kiln/interop/gguf_tokenizer.h"

#include <algorithm>
#include <utility>

namespace kiln {
namespace {

struct GgufName {
  std::string_view theirs;  // within a layer, or of the whole model; without ".weight" or ".bias"
  std::string_view ggufs;
};
constexpr GgufName kGgufNames[] = {
    {"wte", "token_embd"},
    {"wpe", "position_embd"},
    {"ln_1", "attn_norm"},
    {"attn.c_attn", "attn_qkv"},
    {"attn.c_proj", "attn_output"},
    {"ln_2", "ffn_norm"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.c_proj", "ffn_down"},
    {"ln_f", "output_norm"},
    {"lm_head", "output"},
    {"model.embed_tokens", "token_embd"},
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"model.norm", "output_norm"},
};
constexpr std::string_view kTokenEmbedding = "token_embd.weight", kPositionEmbedding = "position_embd.weight",
                           kOutputMatrix = "output.weight";

/// Translates "h.3.ln_1.bias" to "blk.3.attn_norm.bias", "model.layers.3.input_layernorm.weight" to
/// "blk.3.attn_norm.weight".
std::string gguf_name(std::string_view name) {
  std::string prefix;
  for (const std::string_view layers : {"transformer.", "h.", "model.layers."}) {
    if (!name.starts_with(layers)) continue;
    name.remove_prefix(layers.size());
    if (layers == "transformer.") continue;
    const std::size_t dot = name.find('.');
    prefix = fmt::format("blk.{}.", name.substr(0, dot));
    name.remove_prefix(dot + 1);
  }
  const std::size_t dot = name.rfind('.');
  const auto* entry = std::ranges::find(kGgufNames, name.substr(0, dot), &GgufName::theirs);
  if (entry == std::end(kGgufNames)) fail(ExitCode::failure, "llama.cpp has no tensor '{}'", name);
  return fmt::format("{}{}{}", prefix, entry->ggufs, name.substr(dot));
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
    place.name = gguf_name(place.name);
    const bool matrix = place.shape.size() == 2;
    const bool as_it_is =
        place.name == kTokenEmbedding || place.name == kPositionEmbedding || place.name == kOutputMatrix;
    if (!matrix || as_it_is || place.transposed) continue;
    place.transposed = true;
    std::swap(place.shape[0], place.shape[1]);
  }
  if (family_of(model) == Family::gpt2 && model.tie_embeddings && tied_head == TiedHead::stored) {
    TensorPlace unembedding = *std::ranges::find(table, kTokenEmbedding, &TensorPlace::name);
    unembedding.name = kOutputMatrix;
    table.push_back(std::move(unembedding));
  }
  return table;
}

void interleave_rotary(const ModelConfig& model, ParameterBuffer<float>& weights) {
  const Index D = model.head_size(), half = D / 2, heads = model.n_heads + model.kv_heads();
  std::vector<float> halves(static_cast<std::size_t>(D));
  for (Index layer = 0; layer < model.n_layers; ++layer) {
    Mat<float> qkv = weights.mat(weights.layout().find(fmt::format("h.{}.attn.c_attn.weight", layer)));
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
