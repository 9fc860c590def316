// Bookkeeping of the parameter layout.
#include "kiln/tensor/parameters.h"

#include "kiln/tensor/convert.h"

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
  return add({std::move(name), role, rows, cols, 0, std::move(column_groups)});
}

ParameterId ParameterLayout::vector(std::string name, Role role, Index size) {
  assert(!is_matrix(role));
  return add({std::move(name), role, 1, size, 0, {}});
}

ParameterId ParameterLayout::add(Parameter parameter) {
  assert(!find(parameter.name));
  parameter.offset = extent_;
  count_ += parameter.size();
  extent_ += (parameter.size() + kAlignedElements - 1) / kAlignedElements * kAlignedElements;
  parameters_.push_back(std::move(parameter));
  return {static_cast<int>(parameters_.size()) - 1};
}

ParameterId ParameterLayout::find(std::string_view name) const {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].name == name) return {static_cast<int>(i)};
  }
  return {};
}

Index ParameterLayout::count(Role role) const {
  Index total = 0;
  for (const Parameter& p : parameters_) total += p.role == role ? p.size() : 0;
  return total;
}

template <class T>
void Gradients<T>::finish() {
  for (std::size_t i = 0; i < is_stale_.size(); ++i) mat({static_cast<int>(i)});
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
