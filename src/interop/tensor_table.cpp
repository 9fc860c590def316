// Translates the layout's parameters, one by one, into the tensors of each family.
#include "kiln/interop/tensor_table.h"

#include "kiln/core/error.h"

#include <algorithm>
#include <array>
#include <utility>

namespace kiln {
namespace {

struct LlamaName {
  Module module;
  std::array<std::string_view, 3> groups;  // the module's name within a layer, for each column group of its weight
};
constexpr LlamaName kLlamaNames[] = {
    {Module::wte, {"model.embed_tokens"}},
    {Module::ln_1, {"input_layernorm"}},
    {Module::c_attn, {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}},
    {Module::attention_c_proj, {"self_attn.o_proj"}},
    {Module::ln_2, {"post_attention_layernorm"}},
    {Module::c_fc, {"mlp.gate_proj", "mlp.up_proj"}},
    {Module::mlp_c_proj, {"mlp.down_proj"}},
    {Module::ln_f, {"model.norm"}},
    {Module::lm_head, {"lm_head"}},
    {Module::score, {"score"}},
};

void add_llama(const Parameter& p, std::vector<TensorPlace>& table) {
  const auto* entry = std::ranges::find(kLlamaNames, p.key.module, &LlamaName::module);
  if (entry == std::end(kLlamaNames)) fail(ExitCode::failure, "no Llama has a parameter '{}'", p.name);
  const std::string prefix = is_in_layer(p.key.module) ? fmt::format("model.layers.{}.", p.key.layer) : "";
  const bool transposed = is_hidden_matrix(p.role);
  Index begin = 0;
  const int groups = static_cast<int>(p.column_groups.size());
  for (int group = 0; group < groups; ++group) {
    const Index count = p.column_groups[static_cast<std::size_t>(group)];
    std::vector<Index> shape = p.is_vector() ? std::vector<Index>{count}
                               : transposed  ? std::vector<Index>{count, p.rows}
                                             : std::vector<Index>{p.rows, count};
    table.push_back({fmt::format("{}{}.weight", prefix, entry->groups.at(static_cast<std::size_t>(group))), p.key, p.id,
                     begin, count, transposed, std::move(shape), groups > 1 ? group : -1});
    begin += count;
  }
}

/// Adds a tensor, and zeros for a weight's bias if GPT-2 has one that the layout lacks.
void add_gpt2(const Parameter& p, const ParameterLayout& layout, bool prefixed, std::vector<TensorPlace>& table) {
  const bool of_trunk = p.role != Role::unembedding && p.role != Role::score;
  const std::string_view prefix = prefixed && of_trunk ? "transformer." : "";
  table.push_back({fmt::format("{}{}", prefix, p.name), p.key, p.id, 0, p.cols, false, p.shape()});
  const ParameterKey bias{p.key.module, p.key.layer, TensorKind::bias};
  if (is_embedding(p.role) || !of_trunk || layout.find(bias)) return;
  table.push_back({fmt::format("{}{}", prefix, name_of(bias)), bias, {}, 0, p.cols, false, {p.cols}});
}

}  // namespace

std::vector<TensorPlace> tensor_table(const ModelConfig& model, const ParameterLayout& layout) {
  const Family family = family_of(model);
  std::vector<TensorPlace> table;
  for (const Parameter& p : layout.parameters()) {
    if (is_adapter(p) || (p.role == Role::score && model.head != HeadKind::score)) continue;
    switch (family) {
      case Family::gpt2:
        add_gpt2(p, layout, !model.tie_embeddings || model.head == HeadKind::score, table);
        break;
      case Family::llama:
        add_llama(p, table);
        break;
      case Family::kiln:
        table.push_back({p.name, p.key, p.id, 0, p.cols, false, p.shape()});
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
