// Sends each rank's slice of a tensor to the root.
#include "kiln/run/shared_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace kiln {

std::string name_of_state(const Parameter& parameter, std::string_view slot) {
  return fmt::format("{}.{}", parameter.name, slot);
}

SharedState::SharedState(World& world, std::vector<OptimizerSlot> slots, std::vector<StateLayout> whole,
                         std::vector<std::vector<StateLayout>> shares)
    : world_(world), slots_(std::move(slots)), whole_(std::move(whole)), shares_(std::move(shares)) {
  for (std::size_t slot = 0; slot < whole_.size(); ++slot) {
    for (const Parameter& p : whole_[slot].layout.parameters()) {
      tensors_.push_back({name_of_state(p, whole_[slot].name), slot, p.id});
    }
  }
  std::ranges::sort(tensors_, {}, &Tensor::name);
}

void SharedState::begin() {
  next_ = 0;
  Index largest = 0;
  for (const Tensor& tensor : tensors_) largest = std::max(largest, whole_[tensor.slot].layout[tensor.id].size());
  if (world_.is_root()) values_.resize(static_cast<std::size_t>(largest));
}

void SharedState::collect(std::string_view name) {
  assert(tensors_[next_].name == name);
  static_cast<void>(name);
  collect(tensors_[next_++]);
}

void SharedState::finish() {
  while (next_ < tensors_.size()) collect(tensors_[next_++]);
}

void SharedState::collect(const Tensor& tensor) {
  std::vector<std::int64_t> bounds{0};
  for (const std::vector<StateLayout>& share : shares_) {
    const ParameterLayout& layout = share[tensor.slot].layout;
    bounds.push_back(bounds.back() + (layout.has(tensor.id) ? layout[tensor.id].size() : 0));
  }
  const ConstVec<float> own = std::as_const(*slots_[tensor.slot].buffer).vec(tensor.id);
  if (world_.is_root()) std::copy_n(own.data(), own.size(), values_.begin());
  world_.collect(std::span(own.data(), static_cast<std::size_t>(own.size())), std::span(values_), bounds);
}

}  // namespace kiln
