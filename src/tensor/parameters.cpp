// Bookkeeping of the parameter layout.
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
  return add({std::move(name), role, rows, cols, std::move(column_groups)});
}

ParameterId ParameterLayout::vector(std::string name, Role role, Index size) {
  assert(!is_matrix(role));
  return add({std::move(name), role, 1, size, {size}});
}

ParameterId ParameterLayout::add(Parameter parameter) {
  assert(!find(parameter.name));
  parameter.id = {static_cast<int>(parameters_.size())};
  parameter.offset = extent_;
  count_ += parameter.size();
  extent_ += (parameter.size() + kAlignedElements - 1) / kAlignedElements * kAlignedElements;
  parameters_.push_back(std::move(parameter));
  return parameters_.back().id;
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

ParameterLayout ParameterLayout::only(bool (*covers)(Role)) const {
  ParameterLayout some;
  for (const Parameter& p : parameters_) {
    if (covers(p.role)) some.add(p);
  }
  return some;
}

template <class T>
void Gradients<T>::finish() {
  for (const Parameter& p : this->layout().parameters()) mat(p.id);
}

template class Gradients<float>;
template class Gradients<double>;

void Weights::round(Index begin, Index count) const {
  if (rounded_ == nullptr) return;
  const float* from = masters_->data() + begin;
  bfloat16* to = rounded_->data() + begin;
  for (Index i = 0; i < count; ++i) to[i] = narrow<bfloat16>(from[i]);
}

}  // namespace kiln
