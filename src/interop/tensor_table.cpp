// Translates the layout's parameters, one by one, into the tensors of each family.
#include "kiln/interop/tensor_table.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <array>
#include <utility>

namespace kiln {
namespace {

constexpr std::string_view kLayer = "h.";
constexpr std::string_view kWeight = ".weight";

struct LlamaName {
  std::string_view ours;                   // within a layer, or of the whole model
  std::array<std::string_view, 3> theirs;  // of each column group
  bool transposed = false;
};
constexpr LlamaName kLlamaNames[] = {
    {"wte.weight", {"model.embed_tokens.weight"}},
    {"ln_1.weight", {"input_layernorm.weight"}},
    {"attn.c_attn.weight", {"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"}, true},
    {"attn.c_proj.weight", {"self_attn.o_proj.weight"}, true},
    {"ln_2.weight", {"post_attention_layernorm.weight"}},
    {"mlp.c_fc.weight", {"mlp.gate_proj.weight", "mlp.up_proj.weight"}, true},
    {"mlp.c_proj.weight", {"mlp.down_proj.weight"}, true},
    {"ln_f.weight", {"model.norm.weight"}},
    {"lm_head.weight", {"lm_head.weight"}},
};

void add_llama(const Parameter& p, std::vector<TensorPlace>& table) {
  std::string_view name = p.name, layer;  // "h.3.ln_1.weight": "ln_1.weight" of layer "3"
  if (name.starts_with(kLayer)) {
    name.remove_prefix(kLayer.size());
    layer = name.substr(0, name.find('.'));
    name.remove_prefix(layer.size() + 1);
  }
  const auto* entry = std::ranges::find(kLlamaNames, name, &LlamaName::ours);
  if (entry == std::end(kLlamaNames)) fail(ExitCode::failure, "no Llama has a parameter '{}'", p.name);
  Index begin = 0;
  std::size_t part = 0;
  for (const Index count : p.column_groups) {
    const std::string_view theirs = entry->theirs.at(part++);
    std::string full = layer.empty() ? std::string(theirs) : fmt::format("model.layers.{}.{}", layer, theirs);
    std::vector<Index> shape = p.is_vector()       ? std::vector<Index>{count}
                               : entry->transposed ? std::vector<Index>{count, p.rows}
                                                   : std::vector<Index>{p.rows, count};
    table.push_back({std::move(full), p.id, begin, count, entry->transposed, std::move(shape)});
    begin += count;
  }
}

/// Adds a weight, and zeros for its bias if GPT-2 has one that the layout lacks.
void add_gpt2(const Parameter& p, const Parameter* next, bool prefixed, std::vector<TensorPlace>& table) {
  const bool of_trunk = p.role != Role::unembedding;
  const std::string name = prefixed && of_trunk ? "transformer." + p.name : p.name;
  table.push_back({name, p.id, 0, p.cols, false, p.shape()});
  if (is_embedding(p.role) || !of_trunk || p.role == Role::bias) return;
  if (next != nullptr && next->role == Role::bias) return;
  table.push_back({name.substr(0, name.size() - kWeight.size()) + ".bias", {}, 0, p.cols, false, {p.cols}});
}

}  // namespace

Family family_of(const ModelConfig& m) {
  const bool gpt2 = m.norm == NormKind::layernorm && m.position == PositionKind::learned &&
                    m.head_size() * m.n_heads == m.d_model && m.kv_heads() == m.n_heads && !is_gated(m.activation) &&
                    !m.qk_norm;
  const bool llama = m.norm == NormKind::rmsnorm && m.position == PositionKind::rope &&
                     m.activation == Activation::swiglu && !m.bias && !m.qk_norm;
  return gpt2 ? Family::gpt2 : llama ? Family::llama : Family::kiln;
}

std::vector<TensorPlace> tensor_table(const ModelConfig& model, const ParameterLayout& layout) {
  const Family family = family_of(model);
  const std::vector<Parameter>& parameters = layout.parameters();
  std::vector<TensorPlace> table;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    switch (family) {
      case Family::gpt2:
        add_gpt2(p, i + 1 < parameters.size() ? &parameters[i + 1] : nullptr, !model.tie_embeddings, table);
        break;
      case Family::llama:
        add_llama(p, table);
        break;
      case Family::kiln:
        table.push_back({p.name, p.id, 0, p.cols, false, p.shape()});
        break;
    }
  }
  return table;
}

TensorSources::TensorSources(std::span<const TensorPlace> table, const ParameterBuffer<float>& weights, DataType type) {
  Index widest = 0;
  for (const TensorPlace& place : table) widest = std::max(widest, place.parameter ? 0 : place.count);
  zeros_ = RowMajor<float>::Zero(1, widest);
  for (const TensorPlace& place : table) {
    const ConstMat<float> all =
        place.parameter ? weights.mat(place.parameter) : mat(std::as_const(zeros_).data(), 1, widest);
    list_.push_back({place.name, place.shape, columns(all, place.begin, place.count), place.transposed, type});
  }
}

}  // namespace kiln
