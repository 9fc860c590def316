// Configures a run's optimizer.
#pragma once

#include "kiln/core/fields.h"

#include <array>
#include <span>
#include <string_view>

namespace kiln {

/// sgd, with momentum; adam (arXiv:1412.6980); adamw (arXiv:1711.05101); lion (arXiv:2302.06675); muon (Jordan et al.
/// 2024; arXiv:2502.16982).
enum class OptimizerKind { sgd, adam, adamw, lion, muon };
inline constexpr std::array<std::string_view, 5> kOptimizerKinds{"sgd", "adam", "adamw", "lion", "muon"};
inline std::span<const std::string_view> names_of(OptimizerKind) { return kOptimizerKinds; }

struct OptimizerConfig {
  OptimizerKind type = OptimizerKind::adamw;
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  double momentum = 0.0;
  bool nesterov = false;
  double clip_norm = 1.0;
  double muon_learning_rate = 0.02;
  double muon_momentum = 0.95;
  bool decay_embeddings = true;

  /// Adds a problem for Nesterov momentum without momentum.
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("type", type,
      "sgd; adam: with weight decay in the gradient; adamw; lion; muon: Muon for hidden matrices, AdamW for the rest");
    v("learning_rate", learning_rate, "peak learning rate, reached after the warm-up", positive());
    v("beta1", beta1, "decay of the running mean of gradients (adam, adamw, lion, muon's AdamW)", from_to_below(0, 1));
    v("beta2", beta2, "decay of the running mean of their squares (lion: of its momentum)", from_to_below(0, 1));
    v("epsilon", epsilon, "added to the denominator (the root of the mean square), against division by zero",
      positive());
    v("weight_decay", weight_decay, "weight decay of matrices, scaled by the learning rate; vectors have none",
      non_negative());
    v("momentum", momentum, "momentum of sgd", from_to_below(0, 1));
    v("nesterov", nesterov, "use Nesterov momentum (sgd)");
    v("clip_norm", clip_norm, "gradient clipping: largest norm of the gradient; 0: no clipping", non_negative());
    v("muon_learning_rate", muon_learning_rate, "peak learning rate of the matrices that Muon updates", positive());
    v("muon_momentum", muon_momentum, "Nesterov momentum of Muon", from_to_below(0, 1));
    v("decay_embeddings", decay_embeddings, "apply weight decay to token and position embeddings too");
  }
};

}  // namespace kiln
