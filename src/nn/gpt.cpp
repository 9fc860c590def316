// Embedding, blocks, final norm: up in order, back in reverse.
#include "kiln/nn/gpt.h"

#include "kiln/core/profile.h"
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
      token_embedding_(layout.matrix("wte.weight", Role::token_embedding, vocab_size, config.d_model)),
      position_embedding_(config.position == PositionKind::learned
                              ? layout.matrix("wpe.weight", Role::position_embedding, config.n_ctx, config.d_model)
                              : ParameterId{}),
      blocks_(make_blocks(config, layout)),
      final_norm_(layout, "ln_f", config) {}

template <class T>
const PositionTables<T>& Gpt<T>::positions() const {
  if (!positions_) positions_.emplace(config_);
  return *positions_;
}

template <class T>
GptActivations<T> Gpt<T>::lay_out(Arena& arena, Index B, Index length, Keep keep) const {
  const Index N = B * length, C = config_.d_model;
  std::vector<Mat<T>> stream{arena.matrix<T>(N, C)};
  std::vector<BlockActivations<T>> blocks;
  for (const Block& block : blocks_) {
    const bool is_first = blocks.empty();
    stream.push_back(keep == Keep::nothing && !is_first ? stream.back() : arena.matrix<T>(N, C));
    if (is_first || keep == Keep::all) {
      blocks.push_back(block.lay_out<T>(arena, B, length));
    } else if (keep == Keep::all_but_mlps) {
      blocks.push_back(block.lay_out<T>(arena, B, length, &blocks.front().mlp));
    } else {
      blocks.push_back(blocks.front());
    }
  }
  const NormStatistics<T> statistics = final_norm_.lay_out<T>(arena, N);
  const Mat<T> hidden = arena.matrix<T>(N, C);
  const Index of_backward = keep == Keep::nothing ? 0 : N;
  return {B,
          length,
          keep,
          std::move(stream),
          std::move(blocks),
          statistics,
          hidden,
          blocks_.front().lay_out_scratch<T>(arena, of_backward)};
}

template <class T>
void Gpt<T>::forward(const ParameterBuffer<T>& weights, std::span<const std::int32_t> tokens,
                     const StepContext& context, GptActivations<T>& a, KeyValueCache<T>* cache) const {
  assert(static_cast<Index>(tokens.size()) == a.B * a.length);
  const Index past = cache == nullptr ? 0 : cache->past;
  assert(past + a.length <= config_.n_ctx);
  const ConstMat<T> table = position_embedding_ ? weights.mat(position_embedding_) : positions().sinusoid_table();
  {
    const Timed timed("embedding");
    embedding_forward<T>(tokens, a.length, past, weights.mat(token_embedding_), table, a.stream.front());
  }
  dropout_inplace<T>(Dropout(context, config_.dropout, kEmbeddingDropoutSite), a.stream.front());

  const BlockContext<T> block_context{weights, positions(), context, a.B};
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    KeyValues<T>* layer = cache == nullptr ? nullptr : &cache->layers[i];
    blocks_[i].forward<T>(block_context, as_const(a.stream[i]), a.blocks[i], a.stream[i + 1], layer, past);
  }
  final_norm_.forward<T>(weights, as_const(a.stream.back()), a.hidden, a.final_statistics);
  if (cache != nullptr) cache->past += a.length;
}

template <class T>
void Gpt<T>::backward(const ParameterBuffer<T>& weights, std::span<const std::int32_t> tokens,
                      const StepContext& context, GptActivations<T>& a, Gradients<Acc<T>>& gradients) const {
  const Mat<T> d_stream = a.hidden;
  final_norm_.backward<T>(weights, as_const(a.stream.back()), a.final_statistics, as_const(d_stream),
                          no_rows<T>(config_.d_model), d_stream, gradients);
  const BlockContext<T> block_context{weights, positions(), context, a.B};
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    recompute(block_context, a, i);
    blocks_[i].backward<T>(block_context, as_const(a.stream[i]), a.blocks[i], a.scratch, d_stream, gradients);
  }
  dropout_inplace<T>(Dropout(context, config_.dropout, kEmbeddingDropoutSite), d_stream);
  const Mat<Acc<T>> d_positions =
      position_embedding_ ? gradients.mat(position_embedding_) : mat(static_cast<Acc<T>*>(nullptr), 0, config_.d_model);
  const Timed timed("embedding");
  embedding_backward<T>(tokens, a.length, as_const(d_stream), gradients.mat(token_embedding_), d_positions);
}

template <class T>
void Gpt<T>::recompute(const BlockContext<T>& context, GptActivations<T>& a, std::size_t i) const {
  if (a.keep == Keep::all || i + 1 == blocks_.size()) return;  // the last block's are still there
  if (a.keep == Keep::stream) {
    blocks_[i].forward_attention<T>(context, as_const(a.stream[i]), a.blocks[i], nullptr, 0);
  }
  blocks_[i].forward_mlp<T>(context.weights, as_const(a.blocks[i].middle), a.blocks[i].mlp);
}

template class Gpt<float>;
template class Gpt<bfloat16>;
template class Gpt<double>;

}  // namespace kiln
