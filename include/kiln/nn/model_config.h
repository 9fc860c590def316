// Describes the architecture: sizes and kinds, validated once.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/kernels/activation.h"
#include "kiln/nn/lora_config.h"
#include "kiln/tensor/view.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

enum class NormKind { layernorm, rmsnorm };
inline constexpr std::array<std::string_view, 2> kNorms{"layernorm", "rmsnorm"};
inline std::span<const std::string_view> names_of(NormKind) { return kNorms; }

enum class PositionKind { learned, sinusoidal, rope, alibi, none };
inline constexpr std::array<std::string_view, 5> kPositions{"learned", "sinusoidal", "rope", "alibi", "none"};
inline std::span<const std::string_view> names_of(PositionKind) { return kPositions; }

enum class InitScheme { gpt2, normal, xavier, kaiming, uniform, zero };
inline constexpr std::array<std::string_view, 6> kInitSchemes{"gpt2", "normal", "xavier", "kaiming", "uniform", "zero"};
inline std::span<const std::string_view> names_of(InitScheme) { return kInitSchemes; }

/// What the model computes from a token's hidden state: a probability for each next token (a language model); one
/// number, the score of the text up to the token (a reward model); or both, the number being the value of the text, an
/// estimate of the rewards to come (a policy in training, whose value head only its own run keeps).
enum class HeadKind { next_token, score, next_token_and_value };
constexpr bool predicts_tokens(HeadKind head) { return head != HeadKind::score; }

struct InitConfig {
  InitScheme scheme = InitScheme::gpt2;
  double std = 0.02;
  bool zero_residual_projections = false;

  template <class V>
  void visit(V& v) {
    v("scheme", scheme, "distribution of the initial weights");
    v("std", std, "standard deviation (gpt2, normal) or half-width (uniform)", positive());
    v("zero_residual_projections", zero_residual_projections, "start the projections to the residual stream at zero");
  }
};

struct ModelConfig {
  Index n_layers = 4;
  Index d_model = 128;
  Index n_heads = 4;
  std::optional<Index> n_kv_heads;
  std::optional<Index> d_head;
  std::optional<Index> d_mlp;
  Index n_ctx = 64;
  Activation activation = Activation::relu;
  NormKind norm = NormKind::layernorm;
  PositionKind position = PositionKind::learned;
  double rope_theta = 10000;
  bool bias = true;
  bool qk_norm = false;
  bool tie_embeddings = true;
  double dropout = 0.0;
  InitConfig init;
  double norm_epsilon = 1e-5;
  LoraConfig lora;                       // in configs a section of its own
  HeadKind head = HeadKind::next_token;  // not a key: the run's objective or the folder's config.json decides

  /// Return the optional sizes, or their defaults where they are null.
  Index kv_heads() const { return n_kv_heads.value_or(n_heads); }
  Index head_size() const { return d_head.value_or(n_heads > 0 ? d_model / n_heads : 0); }
  Index mlp_size() const;

  /// Sets the sizes that are null to their defaults.
  void resolve();

  /// Adds a problem for each field out of range and each conflict between fields (n_heads not a multiple of n_kv_heads,
  /// d_model not one of n_heads with d_head null, an odd head size with rope, too many parameters).
  void validate(Problems& problems, const std::string& pointer) const;

  template <class V>
  void visit(V& v) {
    v("n_layers", n_layers, "number of transformer blocks", at_least(1));
    v("d_model", d_model, "embedding size: width of the residual stream", at_least(1));
    v("n_heads", n_heads, "attention heads per layer", at_least(1));
    v("n_kv_heads", n_kv_heads, "key/value heads (fewer: grouped-query attention); null: n_heads", at_least(1));
    v("d_head", d_head, "size of a head; null: d_model / n_heads", at_least(1));
    v("d_mlp", d_mlp, "hidden size of the MLP; null: 4 d_model, gated 8/3 d_model rounded up to 64", at_least(1));
    v("n_ctx", n_ctx, "context length: tokens that a prediction can look back on", at_least(1));
    v("activation", activation, "nonlinearity of the MLP; swiglu and geglu are gated");
    v("norm", norm, "normalization before attention, before the MLP and after the last block");
    v("position", position, "position encoding");
    v("rope_theta", rope_theta, "base of the rotary frequencies (theta)", positive());
    v("bias", bias, "biases in linear layers and layernorm");
    v("qk_norm", qk_norm, "RMSNorm of queries and keys, before the rotation");
    v("tie_embeddings", tie_embeddings, "use the token embedding as the output matrix too");
    v("dropout", dropout, "dropout rate: share of activations set to zero in training", between(0.0, 0.99));
    v("init", init, "initial weights");
    v("norm_epsilon", norm_epsilon, "epsilon of the norms, added to the variance", positive());
  }
};

/// The architecture as which transformers loads a model; `kiln` if it has none.
enum class Family { gpt2, llama, kiln };

/// Returns the family whose conditions hold, or else kiln. gpt2: layernorm, learned positions, H D = C, as many
/// key/value heads as heads, an ungated MLP, no qk_norm. llama: rmsnorm, rope, swiglu, no biases, no qk_norm.
Family family_of(const ModelConfig& model);

}  // namespace kiln
