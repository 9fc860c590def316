// Chains embedding, blocks and final norm: forward in order, backward in reverse.
#include "kiln/nn/gpt.h"

#include "kiln/core/profile.h"
#include "kiln/kernels/embedding.h"

#include <cassert>
#include <limits>

namespace kiln {
namespace {

constexpr std::uint64_t kEmbeddingDropoutSite = 0;  // the blocks' sites follow

template <class T>
std::vector<Block<T>> make_blocks(const ModelConfig& config, ParameterLayout& layout, std::vector<int>& first_ids) {
  std::vector<Block<T>> blocks;
  blocks.reserve(static_cast<std::size_t>(config.n_layers));
  for (Index layer = 0; layer < config.n_layers; ++layer) {
    first_ids.push_back(static_cast<int>(layout.ids()));
    blocks.emplace_back(config, layer, layout);
  }
  return blocks;
}

}  // namespace

template <class T>
Gpt<T>::Gpt(const ModelConfig& config, Index vocab_size, ParameterLayout& layout)
    : config_(config),
      token_embedding_(config, layout, Module::wte, vocab_size),
      position_embedding_(config.position == PositionKind::learned
                              ? layout.matrix({Module::wpe}, config.n_ctx, config.d_model)
                              : ParameterId{}),
      blocks_(make_blocks<T>(config, layout, first_ids_)),
      final_norm_(layout, Module::ln_f, kNoLayer, config) {}

template <class T>
GptActivations<T> Gpt<T>::lay_out(Arena& arena, Index N, std::optional<Recompute> backward) const {
  const Index C = config_.d_model;
  std::vector<Mat<T>> stream{arena.matrix<T>(N, C)};
  std::vector<typename Block<T>::Activations> blocks;
  for (const Block<T>& block : blocks_) {
    const bool is_first = blocks.empty();
    stream.push_back(backward || is_first ? arena.matrix<T>(N, C) : stream.back());
    if (is_first || backward == Recompute::none) {
      blocks.push_back(block.lay_out(arena, N));
    } else if (backward == Recompute::mlp) {
      blocks.push_back(block.lay_out(arena, N, &blocks.front().mlp));
    } else {
      blocks.push_back(blocks.front());
    }
  }
  const NormStatistics<T> statistics = final_norm_.lay_out<T>(arena, N);
  const Mat<T> hidden = arena.matrix<T>(N, C), d_hidden = arena.matrix<T>(N, C);
  std::optional<typename Block<T>::Scratch> scratch;
  if (backward) scratch.emplace(blocks_.front().lay_out_scratch(arena, N));
  return {N, backward, std::move(stream), std::move(blocks), statistics, hidden, d_hidden, scratch};
}

template <class T>
void Gpt<T>::forward(const ForwardContext<T>& context, GptActivations<T>& a, std::span<KeyValues<T>> cache) const {
  assert(context.rows.size() == a.N && (cache.empty() || cache.size() == blocks_.size()));
  const auto wait_for = [&](int end) {
    if (context.arrivals != nullptr) context.arrivals->wait_for(end);
  };
  wait_for(first_ids_.front());
  const ParameterBuffer<T>& weights = context.weights;
  const ConstMat<T> table = position_embedding_ ? weights.mat(position_embedding_) : context.tables.sinusoid_table();
  {
    const Timed timed("embedding");
    embedding_forward<T>(context.rows.tokens, context.rows.positions, weights.mat(token_embedding_.rows), table,
                         a.stream.front(), weights.mat(token_embedding_.new_rows));
  }
  dropout_inplace<T>(Dropout(context.step, config_.dropout, kEmbeddingDropoutSite), context.rows.sequences,
                     a.stream.front());
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const bool is_last = i + 1 == blocks_.size();
    wait_for(is_last ? std::numeric_limits<int>::max() : first_ids_[i + 1]);
    blocks_[i].forward(context, as_const(a.stream[i]), a.blocks[i], a.stream[i + 1],
                       cache.empty() ? nullptr : &cache[i]);
  }
  end_at(context, a, config_.n_layers);
}

template <class T>
void Gpt<T>::end_at(const ForwardContext<T>& context, GptActivations<T>& a, Index layer) const {
  assert(layer == config_.n_layers || (a.backward && layer >= 0 && layer < config_.n_layers));
  const Mat<T> stream = a.stream[static_cast<std::size_t>(layer)];
  final_norm_.forward<T>(context.weights, as_const(stream), a.hidden, a.final_statistics);
}

template <class T>
void Gpt<T>::attention(const ForwardContext<T>& context, const GptActivations<T>& a, Index layer, Index head,
                       Mat<Acc<T>> p) const {
  assert(a.backward && *a.backward != Recompute::block && layer >= 0 && layer < config_.n_layers);
  const auto i = static_cast<std::size_t>(layer);
  blocks_[i].attention().probabilities(context, a.blocks[i].attention, head, p);
}

template <class T>
void Gpt<T>::backward(const ForwardContext<T>& context, GptActivations<T>& a, Gradients<Acc<T>>& gradients) const {
  const Index C = config_.d_model;
  const Mat<T> d_stream = a.d_hidden;
  final_norm_.backward<T>(context.weights, as_const(a.stream.back()), a.final_statistics, as_const(d_stream),
                          mat(static_cast<const T*>(nullptr), 0, C), d_stream, gradients);
  for (std::size_t i = blocks_.size(); i-- > 0;) {
    const bool is_last = i + 1 == blocks_.size();  // no later block has overwritten its activations
    if (!is_last) blocks_[i].recompute(context, *a.backward, as_const(a.stream[i]), a.blocks[i]);
    blocks_[i].backward(context, as_const(a.stream[i]), a.blocks[i], *a.scratch, d_stream, gradients);
    gradients.settle(first_ids_[i]);
  }
  dropout_inplace<T>(Dropout(context.step, config_.dropout, kEmbeddingDropoutSite), context.rows.sequences, d_stream);
  const Timed timed("embedding");
  embedding_backward<T>(context.rows.tokens, context.rows.positions, as_const(d_stream),
                        gradients.mat(token_embedding_.rows), gradients.mat(position_embedding_),
                        context.weights.mat(token_embedding_.rows).rows(), gradients.mat(token_embedding_.new_rows));
}

template class Gpt<float>;
template class Gpt<bfloat16>;
template class Gpt<double>;

}  // namespace kiln
