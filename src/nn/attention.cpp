// Composes the attention half of a block from kernels, forward and backward side by side.
#include "kiln/nn/attention.h"

#include "kiln/core/profile.h"
#include "kiln/kernels/norm.h"
#include "kiln/kernels/rope.h"

namespace kiln {
namespace {

/// Appends the new keys and values of each sequence to the `past` earlier ones in its slot.
template <class T>
void append_to_cache(std::span<const Sequence> sequences, ConstMat<T> keys, ConstMat<T> values, KeyValues<T>& cache) {
  for (const Sequence& s : sequences) {
    const Index first = s.slot * cache.slot_size + s.past;
    rows(cache.keys, first, s.length) = rows(keys, s.row, s.length);
    rows(cache.values, first, s.length) = rows(values, s.row, s.length);
  }
}

ParameterId head_gain(const ModelConfig& config, const ParameterKey& key, ParameterLayout& layout) {
  return config.qk_norm ? layout.vector(key, config.head_size()) : ParameterId{};
}

}  // namespace

template <class T>
Attention<T>::Attention(const ModelConfig& config, Index layer, ParameterLayout& layout)
    : config_(config),
      layer_(layer),
      H_(config.n_heads),
      K_(config.kv_heads()),
      D_(config.head_size()),
      norm_(layout, Module::ln_1, layer, config),
      qkv_(config, layout, Module::c_attn, layer, config.d_model, {H_ * D_, K_ * D_, K_ * D_}),
      projection_(config, layout, Module::attention_c_proj, layer, H_ * D_, {config.d_model}),
      query_gain_(head_gain(config, {Module::q_norm, layer}, layout)),
      key_gain_(head_gain(config, {Module::k_norm, layer}, layout)) {}

template <class T>
Dropout Attention<T>::dropout(const ForwardContext<T>& context, DropoutPlace place) const {
  return Dropout(context.step, config_.dropout, dropout_site(layer_, place));
}

template <class T>
auto Attention<T>::lay_out(Arena& arena, Index N) const -> Activations {
  const Index rstd = config_.qk_norm ? N : 0;
  const Mat<T> qkv = arena.matrix<T>(N, (H_ + 2 * K_) * D_);
  return {arena.matrix<T>(N, config_.d_model),
          norm_.lay_out<T>(arena, N),
          qkv,
          config_.qk_norm ? arena.matrix<T>(N, (H_ + K_) * D_) : columns(qkv, 0, (H_ + K_) * D_),
          arena.vector<Acc<T>>(H_ * rstd),
          arena.vector<Acc<T>>(K_ * rstd),
          arena.matrix<T>(N, H_ * D_),
          arena.vector<Acc<T>>(H_ * N)};
}

template <class T>
auto Attention<T>::lay_out_scratch(Arena& arena, Mat<T> d_normed) const -> Scratch {
  const Index N = d_normed.rows();
  return {d_normed, arena.matrix<T>(N, H_ * D_), arena.matrix<T>(N, (H_ + 2 * K_) * D_)};
}

template <class T>
void Attention<T>::forward(const ForwardContext<T>& context, ConstMat<T> x, Activations& a, KeyValues<T>* cache,
                           Mat<T> out) const {
  norm_.forward<T>(context.weights, x, a.normed, a.statistics);
  qkv_.forward<T>(context, as_const(a.normed), a.qkv);
  attend(context, a, cache);
  projection_.forward<T>(context, as_const(a.attn_out), out);
  residual_forward<T>(x, dropout(context, DropoutPlace::attention_branch), context.rows.sequences, out);
}

// out = x + dropout(projection(attention(norm(x))))
template <class T>
void Attention<T>::backward(const ForwardContext<T>& context, ConstMat<T> x, const Activations& a, Scratch& s,
                            Mat<T> d_stream, Gradients<Acc<T>>& gradients) const {
  // d_normed is reused: branch gradient first, then the norm output's.
  const ConstMat<T> d_branch = residual_backward<T>(
      as_const(d_stream), dropout(context, DropoutPlace::attention_branch), context.rows.sequences, s.d_normed);
  projection_.backward<T>(context, as_const(a.attn_out), d_branch, s.d_attn_out, gradients);
  attend_backward(context, a, s, gradients);
  qkv_.backward<T>(context, as_const(a.normed), as_const(s.d_qkv), s.d_normed, gradients);
  norm_.backward<T>(context.weights, x, a.statistics, as_const(s.d_normed), as_const(d_stream), d_stream, gradients);
}

template <class T>
void Attention<T>::attend(const ForwardContext<T>& context, Activations& a, KeyValues<T>* cache) const {
  const Index Q = H_ * D_, KV = K_ * D_;
  const ConstMat<T> qkv = as_const(a.qkv), v = columns(qkv, Q + KV, KV);
  const Mat<T> q = columns(a.queries_and_keys, 0, Q), k = columns(a.queries_and_keys, Q, KV);
  if (config_.qk_norm) {
    head_rmsnorm_forward<T>(columns(qkv, 0, Q), context.weights.vec(query_gain_), config_.norm_epsilon, q,
                            a.query_rstd);
    head_rmsnorm_forward<T>(columns(qkv, Q, KV), context.weights.vec(key_gain_), config_.norm_epsilon, k, a.key_rstd);
  }
  if (config_.position == PositionKind::rope) {
    rope_forward<T>(q, D_, context.rows.positions, context.tables.rotation_table());
    rope_forward<T>(k, D_, context.rows.positions, context.tables.rotation_table());
  }
  AttentionShape shape{.sequences = context.rows.sequences, .H = H_, .K = K_, .D = D_};
  if (cache != nullptr) {
    append_to_cache(context.rows.sequences, as_const(k), v, *cache);
    shape.slot_size = cache->slot_size;
  }
  const Timed timed("attention");
  attention_forward<T>(shape, as_const(q), as_const(cache == nullptr ? k : cache->keys),
                       cache == nullptr ? v : as_const(cache->values), context.tables.slope_vector(),
                       dropout(context, DropoutPlace::attention_weights), a.attn_out, a.lse);
}

template <class T>
void Attention<T>::probabilities(const ForwardContext<T>& context, const Activations& a, Index head,
                                 Mat<Acc<T>> p) const {
  const ConstMat<T> queries_and_keys = as_const(a.queries_and_keys);
  attention_probabilities<T>({.sequences = context.rows.sequences, .H = H_, .K = K_, .D = D_}, head,
                             columns(queries_and_keys, 0, H_ * D_), columns(queries_and_keys, H_ * D_, K_ * D_),
                             context.tables.slope_vector(), p);
}

template <class T>
void Attention<T>::attend_backward(const ForwardContext<T>& context, const Activations& a, Scratch& s,
                                   Gradients<Acc<T>>& gradients) const {
  const Index Q = H_ * D_, KV = K_ * D_;
  const ConstMat<T> qkv = as_const(a.qkv), queries_and_keys = as_const(a.queries_and_keys);
  const Mat<T> dq = columns(s.d_qkv, 0, Q), dk = columns(s.d_qkv, Q, KV), dv = columns(s.d_qkv, Q + KV, KV);
  {
    const Timed timed("attention");
    attention_backward<T>({.sequences = context.rows.sequences, .H = H_, .K = K_, .D = D_},
                          columns(queries_and_keys, 0, Q), columns(queries_and_keys, Q, KV), columns(qkv, Q + KV, KV),
                          context.tables.slope_vector(), dropout(context, DropoutPlace::attention_weights),
                          as_const(a.attn_out), as_const(a.lse), as_const(s.d_attn_out), dq, dk, dv);
  }
  if (config_.position == PositionKind::rope) {
    rope_backward<T>(dq, D_, context.rows.positions, context.tables.rotation_table());
    rope_backward<T>(dk, D_, context.rows.positions, context.tables.rotation_table());
  }
  if (config_.qk_norm) {
    head_rmsnorm_backward<T>(columns(qkv, 0, Q), context.weights.vec(query_gain_), as_const(a.query_rstd), as_const(dq),
                             dq, gradients.vec(query_gain_));
    head_rmsnorm_backward<T>(columns(qkv, Q, KV), context.weights.vec(key_gain_), as_const(a.key_rstd), as_const(dk),
                             dk, gradients.vec(key_gain_));
  }
}

template class Attention<float>;
template class Attention<bfloat16>;
template class Attention<double>;

}  // namespace kiln
