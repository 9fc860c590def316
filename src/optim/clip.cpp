// Sums squares over fixed chunks, and computes PyTorch's clipping factor.
#include "kiln/optim/clip.h"

#include "kiln/core/threads.h"
#include "kiln/tensor/convert.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace kiln {
namespace {

constexpr Index kMaxBlocks = 256;
constexpr Index kMinBlockElements = 4096;
constexpr Index kLanes = 16;  // parallel sums, so that the loop is vectorised

template <class T>
double sum_block(const T* data, Index count) {
  std::array<double, kLanes> lanes{};
  const Index whole = count / kLanes * kLanes;
  for (Index i = 0; i < whole; i += kLanes) {
    for (Index lane = 0; lane < kLanes; ++lane) {
      const double value = widen(data[i + lane]);
      lanes[static_cast<std::size_t>(lane)] += value * value;
    }
  }
  for (Index i = whole; i < count; ++i) {
    const double value = widen(data[i]);
    lanes[0] += value * value;
  }
  return std::accumulate(lanes.begin(), lanes.end(), 0.0);
}

}  // namespace

template <class T>
double sum_of_squares(const T* data, Index count) {
  const Index block = std::max(kMinBlockElements, (count + kMaxBlocks - 1) / kMaxBlocks);
  const Index blocks = (count + block - 1) / block;
  std::array<double, kMaxBlocks> sums{};
  parallel_each(blocks, [&](Index i) {
    sums[static_cast<std::size_t>(i)] = sum_block(data + i * block, std::min(block, count - i * block));
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

template double sum_of_squares<float>(const float*, Index);
template double sum_of_squares<bfloat16>(const bfloat16*, Index);

GradientNorm::GradientNorm(const ParameterLayout& layout) : chunks_(make_chunks(layout)), squares_(chunks_.size()) {}

void GradientNorm::add(const ParameterBuffer<float>& gradients, Index first, Index last) {
  parallel_each(last - first, [&](Index i) {
    const auto at = static_cast<std::size_t>(first + i);
    squares_[at] = sum_block(elements(gradients, chunks_[at]), chunks_[at].count);
  });
}

double GradientNorm::value() const { return std::sqrt(std::accumulate(squares_.begin(), squares_.end(), 0.0)); }

double global_norm(const ParameterBuffer<float>& gradients) {
  GradientNorm norm(gradients.layout());
  norm.add(gradients, 0, norm.chunks());
  return norm.value();
}

double clip_scale(double norm, double max_norm) { return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0; }

}  // namespace kiln
