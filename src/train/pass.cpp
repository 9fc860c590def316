// Trunk, objective, trunk again: once for every type that a model computes in.
#include "kiln/train/pass.h"

#include "kiln/core/threads.h"
#include "kiln/kernels/attention.h"
#include "kiln/kernels/matmul.h"
#include "kiln/nn/language_model.h"
#include "kiln/train/objective.h"

#include <algorithm>
#include <optional>

namespace kiln {
namespace {

Keep kept(Recompute recompute) {
  switch (recompute) {
    case Recompute::mlp:
      return Keep::all_but_mlps;
    case Recompute::block:
      return Keep::stream;
    default:
      return Keep::all;
  }
}

template <class T>
std::size_t activation_bytes(const LanguageModel<T>& model, const PassOptions& options) {
  return bytes_of([&](Arena& arena) {
    NextTokenObjective<T>(model).lay_out(arena, options.windows * model.config().n_ctx);
    model.trunk.lay_out(arena, options.windows, model.config().n_ctx, kept(options.recompute));
  });
}

/// What kernels keep of their own: attention on every thread, products for copies of factors and sums of tiles.
template <class T>
std::size_t kernel_bytes(const LanguageModel<T>& model, Index windows) {
  const ModelConfig& config = model.config();
  const Index T_ = config.n_ctx, N = windows * T_;
  const AttentionShape shape{windows, T_, T_, T_, config.n_heads, config.kv_heads(), config.head_size()};
  Arena counting = Arena::counting();
  const Index scored = model.head.lay_out(counting, N).logits.rows();  // at a time
  std::size_t copies = 0;
  for (const Parameter& p : model.layout.parameters()) {
    if (p.is_vector() || p.role == Role::position_embedding) continue;
    const Index rows = is_hidden_matrix(p.role) ? N : scored;
    copies = std::max({copies, matmul_copy_bytes<T>(rows, p.rows, p.cols),  // with the weights
                       matmul_copy_bytes<T>(p.rows, rows, p.cols)});        // for their gradient
  }
  return static_cast<std::size_t>(threads()) * (attention_scratch_bytes<T>(shape) + matmul_tile_bytes<T>()) + copies;
}

template <class T>
class PassOf final : public Pass {
 public:
  PassOf(const ModelConfig& config, Index vocab_size, const PassOptions& options)
      : model_(config, vocab_size),
        objective_(model_),
        keep_(kept(options.recompute)),
        arena_(activation_bytes(model_, options)) {
    objective_.lay_out(arena_, options.windows * config.n_ctx);
    trunk_begin_ = arena_.mark();
  }

  double forward_backward(Weights weights, const Batch& batch, const StepContext& context, double scale,
                          Gradients<float>& gradients) override {
    const ParameterBuffer<T>& w = weights.as<T>();
    GptActivations<T>& activations = activations_for(batch.B);
    model_.trunk.forward(w, batch.inputs, context, activations);
    const double loss = objective_.forward_backward(w, batch, scale, activations.hidden, gradients);
    model_.trunk.backward(w, batch.inputs, context, activations, gradients);
    return loss;
  }

 private:
  /// Views for a micro-batch of B windows, laid out anew where the last one had another size.
  GptActivations<T>& activations_for(Index B) {
    if (!activations_ || activations_->B != B) {
      arena_.release(trunk_begin_);
      activations_.emplace(model_.trunk.lay_out(arena_, B, model_.config().n_ctx, keep_));
    }
    return *activations_;
  }

  LanguageModel<T> model_;
  NextTokenObjective<T> objective_;
  Keep keep_;
  Arena arena_;
  std::size_t trunk_begin_;
  std::optional<GptActivations<T>> activations_;
};

}  // namespace

std::unique_ptr<Pass> make_pass(const ModelConfig& config, Index vocab_size, const PassOptions& options) {
  return with_precision(options.precision, [&]<class T>() -> std::unique_ptr<Pass> {
    return std::make_unique<PassOf<T>>(config, vocab_size, options);
  });
}

std::size_t pass_bytes(const ModelConfig& config, Index vocab_size, const PassOptions& options) {
  return with_precision(options.precision, [&]<class T>() {
    const LanguageModel<T> model(config, vocab_size);
    return activation_bytes(model, options) + kernel_bytes(model, options.windows) + PositionTables<T>::bytes(config);
  });
}

}  // namespace kiln
