// Trunk, objective, trunk again: once for every type that a model computes in.
#include "kiln/train/pass.h"

#include "kiln/nn/language_model.h"
#include "kiln/train/objective.h"

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
  Arena counting = Arena::counting();
  model.trunk.lay_out(counting, options.windows, model.config().n_ctx, kept(options.recompute));
  NextTokenObjective<T>(model).lay_out(counting, options.windows, model.config().n_ctx);
  return counting.peak_bytes();
}

template <class T>
class PassOf final : public Pass {
 public:
  PassOf(const ModelConfig& config, Index vocab_size, const PassOptions& options)
      : model_(config, vocab_size),
        objective_(model_),
        keep_(kept(options.recompute)),
        arena_(activation_bytes(model_, options)) {}

  double forward_backward(Weights weights, const Batch& batch, const StepContext& context, double scale,
                          Gradients<float>& gradients) override {
    const ParameterBuffer<T>& w = weights.as<T>();
    GptActivations<T>& activations = activations_for(batch.B);
    model_.trunk.forward(w, batch.inputs, context, activations);
    const double loss =
        objective_.forward_backward(w, batch, scale, as_const(activations.hidden), activations.d_hidden, gradients);
    model_.trunk.backward(w, batch.inputs, context, activations, gradients);
    return loss;
  }

 private:
  /// Views for a micro-batch of B windows, laid out anew where the last one had another size.
  GptActivations<T>& activations_for(Index B) {
    if (!activations_ || activations_->B != B) {
      arena_.release(0);
      activations_.emplace(model_.trunk.lay_out(arena_, B, model_.config().n_ctx, keep_));
      objective_.lay_out(arena_, B, model_.config().n_ctx);
    }
    return *activations_;
  }

  LanguageModel<T> model_;
  NextTokenObjective<T> objective_;
  Keep keep_;
  Arena arena_;
  std::optional<GptActivations<T>> activations_;
};

}  // namespace

std::unique_ptr<Pass> make_pass(const ModelConfig& config, Index vocab_size, const PassOptions& options) {
  return with_precision(options.precision, [&]<class T>() -> std::unique_ptr<Pass> {
    return std::make_unique<PassOf<T>>(config, vocab_size, options);
  });
}

std::size_t pass_bytes(const ModelConfig& config, Index vocab_size, const PassOptions& options) {
  return with_precision(options.precision,
                        [&]<class T>() { return activation_bytes(LanguageModel<T>(config, vocab_size), options); });
}

}  // namespace kiln
