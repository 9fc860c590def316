// The memory behind the keys and values of generation.
#pragma once

#include "kiln/nn/gpt.h"
#include "kiln/tensor/arena.h"

#include <cstddef>
#include <vector>

namespace kiln {

/// Keys and values of up to `sequences` sequences of up to `capacity` positions, for all layers, in one block.
/// Gpt::forward fills the first B sequences, B being that of the activations it is given.
template <class T>
class KvCache {
 public:
  /// Throws Error (usage) where the memory cannot be had. `capacity` is at most n_ctx.
  KvCache(const ModelConfig& config, Index sequences, Index capacity)
      : capacity_(capacity),
        arena_(bytes(config, sequences, capacity)),
        views_{lay_out(arena_, config, sequences, capacity)} {}

  static std::size_t bytes(const ModelConfig& config, Index sequences, Index capacity) {
    return bytes_of([&](Arena& arena) { lay_out(arena, config, sequences, capacity); });
  }

  KeyValueCache<T>& views() { return views_; }
  Index capacity() const { return capacity_; }
  Index past() const { return views_.past; }  // positions held, the same for every sequence
  bool is_full() const { return past() == capacity_; }

  void clear() { views_.past = 0; }

  /// Makes sequence `to` a copy of sequence `from`.
  void copy_sequence(Index from, Index to) {
    for (KeyValues<T>& layer : views_.layers) {
      rows(layer.keys, to * capacity_, past()) = rows(layer.keys, from * capacity_, past());
      rows(layer.values, to * capacity_, past()) = rows(layer.values, from * capacity_, past());
    }
  }

 private:
  static std::vector<KeyValues<T>> lay_out(Arena& arena, const ModelConfig& config, Index sequences, Index capacity) {
    const Index N = sequences * capacity, KD = config.kv_heads() * config.head_size();
    std::vector<KeyValues<T>> layers;
    layers.reserve(static_cast<std::size_t>(config.n_layers));
    for (Index layer = 0; layer < config.n_layers; ++layer) {
      const Mat<T> keys = arena.matrix<T>(N, KD), values = arena.matrix<T>(N, KD);
      layers.push_back({keys, values, capacity});
    }
    return layers;
  }

  Index capacity_;
  Arena arena_;
  KeyValueCache<T> views_;
};

}  // namespace kiln
