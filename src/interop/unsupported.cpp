// Compares a model's settings, key by key, with what other programs support.
#include "kiln/interop/unsupported.h"

#include "kiln/core/fields.h"

#include <string_view>

namespace kiln {
namespace {

/// Collects reasons against one architecture of another program.
class Reasons {
 public:
  Reasons(const ModelConfig& model, std::string_view architecture) : architecture_(architecture) {
    if (model.head == HeadKind::score) add("it is a reward model; {} predicts tokens", architecture);
  }

  /// Adds a reason unless the key has the value `wanted`.
  template <class T>
  void need(std::string_view key, const T& found, const T& wanted) {
    if (found == wanted) return;
    add("model.{} is {}; {} has {}", key, text(found), architecture_, text(wanted));
  }

  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    reasons_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  std::vector<std::string> take() { return std::move(reasons_); }

 private:
  template <class T>
  static std::string text(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      return std::string(name_of(value));
    } else {
      return fmt::format("{}", value);
    }
  }

  std::string_view architecture_;
  std::vector<std::string> reasons_;
};

Reasons against_llama(const ModelConfig& m, std::string_view architecture) {
  Reasons reasons(m, architecture);
  reasons.need("norm", m.norm, NormKind::rmsnorm);
  reasons.need("position", m.position, PositionKind::rope);
  reasons.need("activation", m.activation, Activation::swiglu);
  reasons.need("bias", m.bias, false);
  reasons.need("qk_norm", m.qk_norm, false);
  return reasons;
}

/// Does not compare biases: those that the model lacks are exported as zeros.
Reasons against_gpt2(const ModelConfig& m, std::string_view architecture) {
  Reasons reasons(m, architecture);
  reasons.need("norm", m.norm, NormKind::layernorm);
  reasons.need("position", m.position, PositionKind::learned);
  reasons.need("activation", m.activation, Activation::gelu_new);
  reasons.need("n_kv_heads", m.kv_heads(), m.n_heads);
  if (m.head_size() * m.n_heads != m.d_model) {
    reasons.add("model.d_head is {}; {} has d_model / n_heads = {} / {}", m.head_size(), architecture, m.d_model,
                m.n_heads);
  }
  reasons.need("qk_norm", m.qk_norm, false);
  return reasons;
}

}  // namespace

std::vector<std::string> gguf_unsupported(const ModelConfig& model) {
  const bool near_llama = model.position == PositionKind::rope || model.norm == NormKind::rmsnorm;
  return (near_llama ? against_llama(model, "llama.cpp's llama") : against_gpt2(model, "llama.cpp's gpt2")).take();
}

std::vector<std::string> llmc_unsupported(const ModelConfig& model) {
  Reasons reasons = against_gpt2(model, "llm.c");
  reasons.need("d_mlp", model.mlp_size(), 4 * model.d_model);
  reasons.need("tie_embeddings", model.tie_embeddings, true);
  reasons.need("norm_epsilon", model.norm_epsilon, 1e-5);
  return reasons.take();
}

std::vector<std::string> insertion_warnings(const Tokenizer& tokenizer,
                                            std::initializer_list<std::string_view> inserted,
                                            std::string_view program) {
  std::vector<std::string> warnings;
  for (const std::string_view token : inserted) {
    if (!tokenizer.special(token)) continue;
    warnings.push_back(fmt::format("{} does not insert {} into a prompt, as kiln does", program, token));
  }
  return warnings;
}

}  // namespace kiln
