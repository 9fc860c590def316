// Embedding, blocks, final norm: up in order, back in reverse.
#include "kiln/nn/gpt.h"

#include "kiln/kernels/embedding.h"

#include <cassert>

namespace kiln {
namespace {

constexpr std::uint64_t kEmbeddingDropoutSite = 0;  // the blocks' sites follow

template <class T>
ConstMat<T> no_rows(Index cols) {
  return mat(static_cast<const T*>(nullptr), 0, cols);
}

std::vector<Block> make_blocks(const ModelConfig& config, ParameterLayout& layout) {
  std::vector<Block> blocks;
  blocks.reserve(static_cast<std::size_t>(config.n_layers));
  for (Index layer = 0; layer < config.n_layers; ++layer) blocks.emplace_back(config, layer, layout);
  return blocks;
}

}  // namespace

template <class T>
Gpt<T>::Gpt(const ModelConfig& config, Index vocab_size, ParameterLayout& layout)
    : config_(config),
      positions_(config),
      token_embedding_(layout.matrix("wte.weight", Role::token_embedding, vocab_size, config.d_model)),
      position_embedding_(config.position == PositionKind::learned
                              ? layout.matrix("wpe.weight", Role::position_embedding, config.n_ctx, config.d_model)
                              : ParameterId{}),
      blocks_(make_blocks(config, layout)),
      final_norm_(layout, "ln_f", config) {}

template <class T>
GptActivations<T> Gpt<T>::lay_out(Arena& arena, Index B, Index length, Keep keep) const {
  const Index N = B * length, C = config_.d_model;
  const Mat<T> embedded = arena.matrix<T>(N, C);
  std::vector<BlockActivations<T>> blocks;
  blocks.reserve(blocks_.size());
  for (const Block& block : blocks_) {
    if (keep == Keep::one && !blocks.empty()) {
      blocks.push_back(blocks.front());
    } else {
      blocks.push_back(block.lay_out<T>(arena, B, length));
    }
  }
  const NormStatistics<T> statistics = final_norm_.lay_out<T>(arena, N);
  const Mat<T> hidden = arena.matrix<T>(N, C);
  const Index kept = keep == Keep::all ? N : 0;
  return {B,
          length,
          embedded,
          std::move(blocks),
          statistics,
          hidden,
          blocks_.front().lay_out_scratch<T>(arena, kept),
          arena.matrix<T>(kept, C)};
}

template <class T>
void Gpt<T>::forward(const ParameterBuffer<T>& weights, std::span<const std::int32_t> tokens,
                     const StepContext& context, GptActivations<T>& a, KeyValueCache<T>* cache) const {
  assert(static_cast<Index>(tokens.size()) == a.B * a.T_);
  const Index past = cache == nullptr ? 0 : cache->past;
  assert(past + a.T_ <= config_.n_ctx);
  const ConstMat<T> table = position_embedding_ ? weights.mat(position_embedding_) : positions_.sinusoid_table();
  embedding_forward<T>(tokens, a.T_, past, weights.mat(token_embedding_), table, a.embedded);
  dropout_inplace<T>(Dropout(context, config_.dropout, kEmbeddingDropoutSite), a.embedded);

  const Mat<T>* stream = &a.embedded;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    KeyValues<T>* layer = cache == nullptr ? nullptr : &cache->layers[i];
    blocks_[i].forward<T>(weights, positions_, context, a.B, as_const(*stream), a.blocks[i], layer, past);
    stream = &a.blocks[i].out;
  }
  final_norm_.forward<T>(weights, as_const(*stream), a.hidden, a.final_statistics);
  if (cache != nullptr) cache->past += a.T_;
}

template <class T>
void Gpt<T>::backward(const ParameterBuffer<T>& weights, std::span<const std::int32_t> tokens,
                      const StepContext& context, GptActivations<T>& a, ParameterBuffer<Acc<T>>& gradients) const {
  const Mat<T> d_stream = a.d_hidden;
  final_norm_.backward<T>(weights, as_const(a.blocks.back().out), a.final_statistics, as_const(d_stream),
                          no_rows<T>(config_.d_model), d_stream, gradients);
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    const Mat<T>& x = i == 0 ? a.embedded : a.blocks[i - 1].out;
    blocks_[i].backward<T>(weights, positions_, context, a.B, as_const(x), a.blocks[i], a.scratch, d_stream, gradients);
  }
  dropout_inplace<T>(Dropout(context, config_.dropout, kEmbeddingDropoutSite), d_stream);
  const Mat<Acc<T>> d_positions =
      position_embedding_ ? gradients.mat(position_embedding_) : mat(static_cast<Acc<T>*>(nullptr), 0, config_.d_model);
  embedding_backward<T>(tokens, a.T_, as_const(d_stream), gradients.mat(token_embedding_), d_positions);
}

template class Gpt<float>;
template class Gpt<bfloat16>;
template class Gpt<double>;

}  // namespace kiln
