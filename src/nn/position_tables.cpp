// Computes sinusoids, rotations and slopes in double, and stores them in the model's types.
#include "kiln/nn/position_tables.h"

#include "kiln/kernels/attention.h"
#include "kiln/kernels/rope.h"

#include <cmath>

namespace kiln {
namespace {

/// Returns sin and cos of position / 10000^(2i/C) in columns 2i and 2i+1 (arXiv:1706.03762).   (positions, C)
template <class T>
std::vector<T> make_sinusoids(Index positions, Index C) {
  std::vector<T> table(static_cast<std::size_t>(positions * C));
  for (Index c = 0; c < C; ++c) {
    const Index even = c - c % 2;  // a sine and its cosine share a wavelength
    const double wavelength = std::pow(10000.0, static_cast<double>(even) / static_cast<double>(C));
    for (Index p = 0; p < positions; ++p) {
      const double angle = static_cast<double>(p) / wavelength;
      table[static_cast<std::size_t>(p * C + c)] = static_cast<T>(c % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return table;
}

}  // namespace

template <class T>
std::size_t PositionTables<T>::bytes(const ModelConfig& config) {
  switch (config.position) {
    case PositionKind::sinusoidal:
      return static_cast<std::size_t>(config.n_ctx * config.d_model) * sizeof(T);
    case PositionKind::rope:
      return static_cast<std::size_t>(config.n_ctx * config.head_size()) * sizeof(Acc<T>);
    case PositionKind::alibi:
      return static_cast<std::size_t>(config.n_heads) * sizeof(Acc<T>);
    case PositionKind::learned:
    case PositionKind::none:
      break;
  }
  return 0;
}

template <class T>
PositionTables<T>::PositionTables(const ModelConfig& config) : d_model(config.d_model), d_head(config.head_size()) {
  switch (config.position) {
    case PositionKind::sinusoidal:
      sinusoids = make_sinusoids<T>(config.n_ctx, config.d_model);
      break;
    case PositionKind::rope:
      rotations = rope_table<T>(config.n_ctx, d_head, config.rope_theta);
      break;
    case PositionKind::alibi:
      for (const double slope : alibi_slopes(config.n_heads)) slopes.push_back(static_cast<Acc<T>>(slope));
      break;
    case PositionKind::learned:
    case PositionKind::none:
      break;
  }
}

template <class T>
ConstMat<T> PositionTables<T>::sinusoid_table() const {
  return mat(sinusoids.data(), static_cast<Index>(sinusoids.size()) / d_model, d_model);
}

template <class T>
ConstMat<Acc<T>> PositionTables<T>::rotation_table() const {
  return mat(rotations.data(), static_cast<Index>(rotations.size()) / d_head, d_head);
}

template struct PositionTables<float>;
template struct PositionTables<bfloat16>;
template struct PositionTables<double>;

}  // namespace kiln
