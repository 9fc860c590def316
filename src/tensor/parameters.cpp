// Registers parameters in the layout, and rounds weights.
#include "kiln/tensor/parameters.h"

#include "kiln/tensor/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

namespace kiln {
namespace {

constexpr Index kAlignedElements = 16;  // 64 bytes of float: every tensor starts on a cache line

struct ModuleTraits {
  const char* name;  // within its layer
  Role role;         // of its weight
};
constexpr ModuleTraits kModules[] = {
    // by Module
    {"wte", Role::token_embedding},
    {"wpe", Role::position_embedding},
    {"ln_1", Role::norm},
    {"attn.c_attn", Role::attention},
    {"attn.c_proj", Role::attention_residual},
    {"attn.q_norm", Role::norm},
    {"attn.k_norm", Role::norm},
    {"ln_2", Role::norm},
    {"mlp.c_fc", Role::mlp},
    {"mlp.c_proj", Role::mlp_residual},
    {"ln_f", Role::norm},
    {"lm_head", Role::unembedding},
    {"score", Role::score},
};

const ModuleTraits& traits(Module module) { return kModules[static_cast<std::size_t>(module)]; }

constexpr std::array<const char*, 5> kTensorNames{"weight", "bias", "lora_A", "lora_B", "new_rows"};  // by TensorKind

Role role_of(const ParameterKey& key) {
  switch (key.tensor) {
    case TensorKind::bias:
      return Role::bias;
    case TensorKind::lora_a:
    case TensorKind::lora_b:
      return Role::adapter;
    default:
      return traits(key.module).role;
  }
}

}  // namespace

std::string name_of(const ParameterKey& key) {
  const std::string prefix = is_in_layer(key.module) ? fmt::format("h.{}.", key.layer) : "";
  return fmt::format("{}{}.{}", prefix, traits(key.module).name, kTensorNames[static_cast<std::size_t>(key.tensor)]);
}

std::vector<Index> Parameter::shape() const {
  if (is_vector()) return {cols};
  return {rows, cols};
}

ParameterId ParameterLayout::matrix(const ParameterKey& key, Index rows, Index cols, std::vector<Index> column_groups) {
  if (column_groups.empty()) column_groups = {cols};
  const ParameterId id = add_new(key, rows, cols, std::move(column_groups));
  assert(!(*this)[id].is_vector());
  return id;
}

ParameterId ParameterLayout::vector(const ParameterKey& key, Index size) {
  const ParameterId id = add_new(key, 1, size, {size});
  assert((*this)[id].is_vector());
  return id;
}

ParameterId ParameterLayout::add_new(const ParameterKey& key, Index rows, Index cols,
                                     std::vector<Index> column_groups) {
  assert(!find(key) && is_in_layer(key.module) == (key.layer != kNoLayer));
  const ParameterId id{static_cast<int>(places_.size())};
  places_.push_back(-1);
  add({key, name_of(key), role_of(key), rows, cols, std::move(column_groups), id});
  return id;
}

void ParameterLayout::add(Parameter parameter) {
  places_[static_cast<std::size_t>(parameter.id.index)] = static_cast<int>(parameters_.size());
  parameter.offset = extent_;
  count_ += parameter.size();
  extent_ += (parameter.size() + kAlignedElements - 1) / kAlignedElements * kAlignedElements;
  parameters_.push_back(std::move(parameter));
}

ParameterId ParameterLayout::find(const ParameterKey& key) const {
  const auto found = std::ranges::find(parameters_, key, &Parameter::key);
  return found != parameters_.end() ? found->id : ParameterId{};
}

ParameterId ParameterLayout::find(std::string_view name) const {
  const auto found = std::ranges::find(parameters_, name, &Parameter::name);
  return found != parameters_.end() ? found->id : ParameterId{};
}

Index ParameterLayout::count(Role role) const {
  Index total = 0;
  for (const Parameter& p : parameters_) total += p.role == role ? p.size() : 0;
  return total;
}

template <class T>
Index Gradients<T>::finish_from(int first) {
  const std::vector<Parameter>& parameters = this->layout().parameters();
  Index offset = this->layout().extent();
  for (auto p = parameters.rbegin(); p != parameters.rend() && p->id.index >= first; ++p) {
    mat(p->id);
    offset = p->offset;
  }
  return offset;
}

template class Gradients<float>;
template class Gradients<double>;

namespace {

void round_elements(const float* from, Index count, bfloat16* to) {
  for (Index i = 0; i < count; ++i) to[i] = narrow<bfloat16>(from[i]);
}

}  // namespace

void Weights::round(ParameterId id, Index begin, Index count) const {
  if (rounded_ != nullptr) round_elements(masters_->vec(id).data() + begin, count, rounded_->vec(id).data() + begin);
}

void Weights::round() const {
  if (rounded_ == nullptr || masters_ == nullptr) return;
  for (const Parameter& p : masters_->layout().parameters()) round(p.id, 0, p.size());
}

}  // namespace kiln
