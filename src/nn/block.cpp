// A block's way up and its way back, side by side.
#include "kiln/nn/block.h"

#include "kiln/core/profile.h"
#include "kiln/core/threads.h"
#include "kiln/kernels/activation.h"
#include "kiln/kernels/norm.h"
#include "kiln/kernels/rope.h"

#include <algorithm>

namespace kiln {
namespace {

enum Place { kAttentionWeights, kAttentionBranch, kMlpBranch, kPlaces };

std::string block_name(Index layer, const char* part) { return fmt::format("h.{}.{}", layer, part); }

/// Copies the newest T keys and values of each sequence behind the `past` that the cache holds.
template <class T>
void remember(ConstMat<T> keys, ConstMat<T> values, Index B, Index past, KeyValues<T>& cache) {
  const Index T_ = keys.rows() / B;
  for (Index b = 0; b < B; ++b) {
    rows(cache.keys, b * cache.capacity + past, T_) = rows(keys, b * T_, T_);
    rows(cache.values, b * cache.capacity + past, T_) = rows(values, b * T_, T_);
  }
}

}  // namespace

Block::Block(const ModelConfig& config, Index layer, ParameterLayout& layout)
    : config_(config),
      layer_(layer),
      H_(config.n_heads),
      K_(config.kv_heads()),
      D_(config.head_size()),
      F_(config.mlp_size()),
      attention_norm_(layout, block_name(layer, "ln_1"), config),
      attention_in_(layout, block_name(layer, "attn.c_attn"), Role::attention, config.d_model, (H_ + 2 * K_) * D_,
                    config.bias, {H_ * D_, K_ * D_, K_ * D_}),
      attention_out_(layout, block_name(layer, "attn.c_proj"), Role::attention_residual, H_ * D_, config.d_model,
                     config.bias),
      query_gain_(config.qk_norm ? layout.vector(block_name(layer, "attn.q_norm.weight"), Role::norm, D_)
                                 : ParameterId{}),
      key_gain_(config.qk_norm ? layout.vector(block_name(layer, "attn.k_norm.weight"), Role::norm, D_)
                               : ParameterId{}),
      mlp_norm_(layout, block_name(layer, "ln_2"), config),
      mlp_in_(layout, block_name(layer, "mlp.c_fc"), Role::mlp, config.d_model,
              is_gated(config.activation) ? 2 * F_ : F_, config.bias,
              is_gated(config.activation) ? std::vector<Index>{F_, F_} : std::vector<Index>{}),
      mlp_out_(layout, block_name(layer, "mlp.c_proj"), Role::mlp_residual, F_, config.d_model, config.bias) {}

AttentionShape Block::attention_shape(Index B, Index T) const { return {B, T, T, T, H_, K_, D_}; }

Dropout Block::dropout(const StepContext& context, int place) const {
  return Dropout(context, config_.dropout, static_cast<std::uint64_t>(layer_ * kPlaces + place + 1));
}

template <class T>
BlockActivations<T> Block::lay_out(Arena& arena, Index B, Index T_, const MlpActivations<T>* shared_mlp) const {
  const Index N = B * T_, C = config_.d_model;
  const Index expanded = is_gated(config_.activation) ? 2 * F_ : F_;
  const Index rstd = config_.qk_norm ? N : 0;
  const auto lay_out_mlp = [&]() -> MlpActivations<T> {
    return {arena.matrix<T>(N, C), mlp_norm_.lay_out<T>(arena, N), arena.matrix<T>(N, expanded),
            arena.matrix<T>(N, F_)};
  };
  const Mat<T> projected = arena.matrix<T>(N, (H_ + 2 * K_) * D_);
  return {arena.matrix<T>(N, C),
          attention_norm_.lay_out<T>(arena, N),
          projected,
          config_.qk_norm ? arena.matrix<T>(N, (H_ + K_) * D_) : columns(projected, 0, (H_ + K_) * D_),
          arena.vector<Acc<T>>(H_ * rstd),
          arena.vector<Acc<T>>(K_ * rstd),
          arena.matrix<T>(N, H_ * D_),
          arena.matrix<Acc<T>>(B * H_, T_),
          arena.matrix<T>(N, C),
          shared_mlp == nullptr ? lay_out_mlp() : *shared_mlp};
}

template <class T>
BlockScratch<T> Block::lay_out_scratch(Arena& arena, Index N) const {
  const Index C = config_.d_model;
  const Mat<T> d_normed = arena.matrix<T>(N, C);
  const std::size_t shared = arena.mark();  // the MLP's gradients are done with before attention's begin
  const Mat<T> d_activated = arena.matrix<T>(N, F_);
  const Mat<T> d_expanded = arena.matrix<T>(N, is_gated(config_.activation) ? 2 * F_ : F_);
  const std::size_t mlp_end = arena.mark();
  arena.release(shared);
  const Mat<T> d_mixed = arena.matrix<T>(N, H_ * D_), d_qkv = arena.matrix<T>(N, (H_ + 2 * K_) * D_);
  arena.release(std::max(mlp_end, arena.mark()));
  return {d_normed, d_activated, d_expanded, d_mixed, d_qkv};
}

template <class T>
void Block::forward(const BlockContext<T>& context, ConstMat<T> x, BlockActivations<T>& a, Mat<T> out,
                    KeyValues<T>* cache, Index past) const {
  forward_attention(context, x, a, cache, past);
  forward_mlp(context.weights, as_const(a.middle), a.mlp);
  mlp_out_.forward<T>(context.weights, as_const(a.mlp.activated), out);
  residual_forward<T>(as_const(a.middle), dropout(context.step, kMlpBranch), out);
}

template <class T>
void Block::forward_attention(const BlockContext<T>& context, ConstMat<T> x, BlockActivations<T>& a,
                              KeyValues<T>* cache, Index past) const {
  attention_norm_.forward<T>(context.weights, x, a.normed, a.statistics);
  attention_in_.forward<T>(context.weights, as_const(a.normed), a.projected);
  attend(context, a, cache, past);
  attention_out_.forward<T>(context.weights, as_const(a.mixed), a.middle);
  residual_forward<T>(x, dropout(context.step, kAttentionBranch), a.middle);
}

template <class T>
void Block::forward_mlp(const ParameterBuffer<T>& weights, ConstMat<T> middle, MlpActivations<T>& a) const {
  mlp_norm_.forward<T>(weights, middle, a.normed, a.statistics);
  mlp_in_.forward<T>(weights, as_const(a.normed), a.expanded);
  const Timed timed("activation");
  activation_forward<T>(config_.activation, as_const(a.expanded), a.activated);
}

template <class T>
void Block::backward(const BlockContext<T>& context, ConstMat<T> x, const BlockActivations<T>& a, BlockScratch<T>& s,
                     Mat<T> d_stream, Gradients<Acc<T>>& gradients) const {
  // What reaches a branch is used before the gradient of its norm's output takes its memory.
  const ConstMat<T> d_mlp = residual_backward<T>(as_const(d_stream), dropout(context.step, kMlpBranch), s.d_normed);
  mlp_out_.backward<T>(context.weights, as_const(a.mlp.activated), d_mlp, s.d_activated, gradients);
  {
    const Timed timed("activation");
    activation_backward<T>(config_.activation, as_const(a.mlp.expanded), as_const(s.d_activated), s.d_expanded);
  }
  mlp_in_.backward<T>(context.weights, as_const(a.mlp.normed), as_const(s.d_expanded), s.d_normed, gradients);
  mlp_norm_.backward<T>(context.weights, as_const(a.middle), a.mlp.statistics, as_const(s.d_normed), as_const(d_stream),
                        d_stream, gradients);

  const ConstMat<T> d_attention =
      residual_backward<T>(as_const(d_stream), dropout(context.step, kAttentionBranch), s.d_normed);
  attention_out_.backward<T>(context.weights, as_const(a.mixed), d_attention, s.d_mixed, gradients);
  attend_backward(context, a, s, gradients);
  attention_in_.backward<T>(context.weights, as_const(a.normed), as_const(s.d_qkv), s.d_normed, gradients);
  attention_norm_.backward<T>(context.weights, x, a.statistics, as_const(s.d_normed), as_const(d_stream), d_stream,
                              gradients);
}

template <class T>
void Block::attend(const BlockContext<T>& context, BlockActivations<T>& a, KeyValues<T>* cache, Index past) const {
  const Index Q = H_ * D_, KV = K_ * D_, T_ = a.projected.rows() / context.B;
  const ConstMat<T> projected = as_const(a.projected), v = columns(projected, Q + KV, KV);
  const Mat<T> q = columns(a.queries_and_keys, 0, Q), k = columns(a.queries_and_keys, Q, KV);
  if (config_.qk_norm) {
    head_rmsnorm_forward<T>(columns(projected, 0, Q), context.weights.vec(query_gain_), config_.norm_epsilon, q,
                            a.query_rstd);
    head_rmsnorm_forward<T>(columns(projected, Q, KV), context.weights.vec(key_gain_), config_.norm_epsilon, k,
                            a.key_rstd);
  }
  if (config_.position == PositionKind::rope) {
    rope_forward<T>(q, T_, D_, past, context.positions.rotation_table());
    rope_forward<T>(k, T_, D_, past, context.positions.rotation_table());
  }
  AttentionShape shape = attention_shape(context.B, T_);
  if (cache != nullptr) {
    remember(as_const(k), v, context.B, past, *cache);
    shape.S = past + T_;
    shape.key_stride = cache->capacity;
  }
  const ConstMat<T> keys = as_const(cache == nullptr ? k : cache->keys);
  const ConstMat<T> values = cache == nullptr ? v : as_const(cache->values);
  const Timed timed("attention");
  attention_forward<T>(shape, as_const(q), keys, values, context.positions.slope_vector(),
                       dropout(context.step, kAttentionWeights), a.mixed, a.log_sum);
}

template <class T>
void Block::attend_backward(const BlockContext<T>& context, const BlockActivations<T>& a, BlockScratch<T>& s,
                            Gradients<Acc<T>>& gradients) const {
  const Index Q = H_ * D_, KV = K_ * D_, T_ = a.projected.rows() / context.B;
  const ConstMat<T> projected = as_const(a.projected), normed = as_const(a.queries_and_keys);
  const Mat<T> dq = columns(s.d_qkv, 0, Q), dk = columns(s.d_qkv, Q, KV), dv = columns(s.d_qkv, Q + KV, KV);
  {
    const Timed timed("attention");
    attention_backward<T>(attention_shape(context.B, T_), columns(normed, 0, Q), columns(normed, Q, KV),
                          columns(projected, Q + KV, KV), context.positions.slope_vector(),
                          dropout(context.step, kAttentionWeights), as_const(a.mixed), as_const(a.log_sum),
                          as_const(s.d_mixed), dq, dk, dv);
  }
  if (config_.position == PositionKind::rope) {
    rope_backward<T>(dq, T_, D_, 0, context.positions.rotation_table());
    rope_backward<T>(dk, T_, D_, 0, context.positions.rotation_table());
  }
  if (config_.qk_norm) {
    head_rmsnorm_backward<T>(columns(projected, 0, Q), context.weights.vec(query_gain_), as_const(a.query_rstd),
                             as_const(dq), dq, gradients.vec(query_gain_));
    head_rmsnorm_backward<T>(columns(projected, Q, KV), context.weights.vec(key_gain_), as_const(a.key_rstd),
                             as_const(dk), dk, gradients.vec(key_gain_));
  }
}

#define KILN_INSTANTIATE(T)                                                                                           \
  template BlockActivations<T> Block::lay_out<T>(Arena&, Index, Index, const MlpActivations<T>*) const;               \
  template BlockScratch<T> Block::lay_out_scratch<T>(Arena&, Index) const;                                            \
  template void Block::forward<T>(const BlockContext<T>&, ConstMat<T>, BlockActivations<T>&, Mat<T>, KeyValues<T>*,   \
                                  Index) const;                                                                       \
  template void Block::forward_attention<T>(const BlockContext<T>&, ConstMat<T>, BlockActivations<T>&, KeyValues<T>*, \
                                            Index) const;                                                             \
  template void Block::forward_mlp<T>(const ParameterBuffer<T>&, ConstMat<T>, MlpActivations<T>&) const;              \
  template void Block::backward<T>(const BlockContext<T>&, ConstMat<T>, const BlockActivations<T>&, BlockScratch<T>&, \
                                   Mat<T>, Gradients<Acc<T>>&) const;
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
