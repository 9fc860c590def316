// Registers parameters in the layout, and rounds weights.
#include "kiln/tensor/parameters.h"

#include "kiln/tensor/convert.h"

#include <algorithm>
#include <cassert>

namespace kiln {
namespace {

constexpr Index kAlignedElements = 16;  // 64 bytes of float: every tensor starts on a cache line

}  // namespace

std::vector<Index> Parameter::shape() const {
  if (is_vector()) return {cols};
  return {rows, cols};
}

ParameterId ParameterLayout::matrix(std::string name, Role role, Index rows, Index cols,
                                    std::vector<Index> column_groups) {
  assert(is_matrix(role));
  if (column_groups.empty()) column_groups = {cols};
  return add_new({std::move(name), role, rows, cols, std::move(column_groups)});
}

ParameterId ParameterLayout::vector(std::string name, Role role, Index size) {
  assert(!is_matrix(role));
  return add_new({std::move(name), role, 1, size, {size}});
}

ParameterId ParameterLayout::add_new(Parameter parameter) {
  assert(!find(parameter.name));
  const ParameterId id{static_cast<int>(places_.size())};
  parameter.id = id;
  places_.push_back(-1);
  add(std::move(parameter));
  return id;
}

void ParameterLayout::add(Parameter parameter) {
  places_[static_cast<std::size_t>(parameter.id.index)] = static_cast<int>(parameters_.size());
  parameter.offset = extent_;
  count_ += parameter.size();
  extent_ += (parameter.size() + kAlignedElements - 1) / kAlignedElements * kAlignedElements;
  parameters_.push_back(std::move(parameter));
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
void Gradients<T>::finish() {
  for (const Parameter& p : this->layout().parameters()) mat(p.id);
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
  if (rounded_ != nullptr && masters_ != nullptr)
    round_elements(masters_->data(), masters_->layout().extent(), rounded_->data());
}

}  // namespace kiln
