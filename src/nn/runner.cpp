// Lays out memory for trunk, head and cache, and hands the trunk's hidden states to the head.
#include "kiln/nn/runner.h"

#include "kiln/core/threads.h"
#include "kiln/kernels/matmul.h"
#include "kiln/nn/adapter.h"
#include "kiln/nn/language_model.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace kiln {
namespace {

/// Keys and values of all layers, in one block.
template <class T>
std::vector<KeyValues<T>> lay_out_cache(Arena& arena, const ModelConfig& config, const RunnerOptions& options) {
  std::vector<KeyValues<T>> layers;
  if (options.slots == 0) return layers;
  const Index rows = options.slots * options.slot_size, width = config.kv_heads() * config.head_size();
  for (Index layer = 0; layer < config.n_layers; ++layer) {
    const Mat<T> keys = arena.matrix<T>(rows, width), values = arena.matrix<T>(rows, width);
    layers.push_back({keys, values, options.slot_size});
  }
  return layers;
}

template <class T>
AdapterScratch<T> lay_out_adapters(Arena& arena, const LanguageModel<T>& model, const RunnerOptions& options) {
  return lay_out_adapter_scratch<T>(arena, model.layout, model.config().lora, options.rows,
                                    options.backward.has_value());
}

/// Lays out the memory of a next-token head; a score head needs none.
template <class T>
HeadScratch<T> lay_out_head(Arena& arena, const LanguageModel<T>& model, const RunnerOptions& options) {
  const NextTokenHead<T>* head = model.next_token_head();
  return head != nullptr ? head->lay_out(arena, options.scored) : HeadScratch<T>{no_mat<Acc<T>>(), no_mat<T>()};
}

template <class T>
std::size_t arena_bytes(const LanguageModel<T>& model, const RunnerOptions& options) {
  return bytes_of([&](Arena& arena) {
    lay_out_head(arena, model, options);
    lay_out_adapters(arena, model, options);
    model.trunk.lay_out(arena, options.rows, options.backward);
  });
}

template <class T>
std::size_t cache_bytes(const ModelConfig& config, const RunnerOptions& options) {
  return bytes_of([&](Arena& arena) { lay_out_cache<T>(arena, config, options); });
}

/// What kernels keep for each thread in training: attention, and products.
template <class T>
std::size_t kernel_bytes(const LanguageModel<T>& model, const RunnerOptions& options) {
  const ModelConfig& config = model.config();
  const std::size_t attention = attention_scratch_bytes<T>(std::min(options.rows, config.n_ctx), config.head_size());
  return static_cast<std::size_t>(threads()) * (attention + matmul_workspace_bytes<T>());
}

template <class T>
class RunnerOf final : public Runner<Acc<T>> {
 public:
  RunnerOf(const ModelConfig& config, Index vocab_size, const RunnerOptions& options)
      : options_(options),
        model_(config, vocab_size),
        tables_(config),
        cache_arena_(cache_bytes<T>(config, options)),
        cache_(lay_out_cache<T>(cache_arena_, config, options)),
        arena_(arena_bytes(model_, options)),
        head_scratch_(lay_out_head(arena_, model_, options)),
        adapter_scratch_(lay_out_adapters(arena_, model_, options)),
        activations_begin_(arena_.mark()) {}

  const ModelConfig& config() const override { return model_.config(); }
  Index vocab_size() const override { return model_.vocab_size(); }

  void forward(Weights weights, const TokenRows& rows, const StepContext& step) override {
    check_fits(rows);
    weights_ = &weights.as<T>();
    arrivals_ = weights.arrivals();
    rows_ = &rows;
    step_ = step;
    if (!activations_ || activations_->N != rows.size()) {
      arena_.release(activations_begin_);
      activations_.emplace(model_.trunk.lay_out(arena_, rows.size(), options_.backward));
    }
    model_.trunk.forward(context(), *activations_, cache_);
  }

  void logits(std::span<const Index> rows, Mat<Acc<T>> logits) override {
    next_token_head().logits(*weights_, *activations_, rows, logits);
  }

  void score(const Scored& scored, Vec<Acc<T>> outputs, std::span<std::int32_t> best) override {
    assert(std::ssize(scored.rows) <= options_.scored);
    const auto [tokens, numbers] = by_head(scored, outputs);
    if (const ScoreHead<T>* head = model_.score_head()) head->forward(*weights_, *activations_, scored.rows, numbers);
    if (model_.next_token_head() == nullptr) return assert(best.empty());
    next_token_head().forward(*weights_, *activations_, scored, head_scratch_, tokens, best);
  }

  void backward(const Scored& scored, ConstVec<Acc<T>> d_outputs, Vec<Acc<T>> outputs,
                Gradients<Acc<T>>& gradients) override {
    assert(std::ssize(scored.rows) <= options_.scored);
    const auto [tokens, numbers] = by_head(scored, outputs);
    const auto [d_tokens, d_numbers] = by_head(scored, d_outputs);
    const bool learns_tokens = model_.next_token_head() != nullptr && !scored.values_alone;
    if (learns_tokens) {
      next_token_head().forward_backward(*weights_, *activations_, scored, d_tokens, head_scratch_, tokens, gradients);
    } else if (model_.next_token_head() != nullptr) {
      next_token_head().forward(*weights_, *activations_, scored, head_scratch_, tokens, {});
    }
    if (const ScoreHead<T>* head = model_.score_head()) {
      head->forward(*weights_, *activations_, scored.rows, numbers);
      head->backward(*weights_, *activations_, scored.rows, d_numbers,
                     learns_tokens ? Write::accumulate : Write::overwrite, gradients);
    }
    if (!scored.values_alone) model_.trunk.backward(context(), *activations_, gradients);
  }

  void end_at(Index layer) override { model_.trunk.end_at(context(), *activations_, layer); }

  void attention(Index layer, Index head, Mat<Acc<T>> p) override {
    assert(cache_.empty());
    model_.trunk.attention(context(), *activations_, layer, head, p);
  }

  void copy_slot(Index from, Index to, Index positions) override {
    for (KeyValues<T>& layer : cache_) {
      rows(layer.keys, to * layer.slot_size, positions) = rows(layer.keys, from * layer.slot_size, positions);
      rows(layer.values, to * layer.slot_size, positions) = rows(layer.values, from * layer.slot_size, positions);
    }
  }

 private:
  /// Throws Error (failure) for more rows, longer sequences or other slots than there is memory for.
  void check_fits(const TokenRows& rows) const {
    check(rows.size() <= options_.rows, "{} rows, and memory for {}", rows.size(), options_.rows);
    for (const Sequence& s : rows.sequences) {
      const Index cached = (options_.slots - s.slot) * options_.slot_size;
      const Index positions = options_.slots > 0 ? std::min(cached, config().n_ctx) : config().n_ctx;
      check(s.keys() <= positions, "a sequence of {} tokens after {}, and {} positions", s.length, s.past, positions);
      check(s.past == 0 || options_.slots > 0, "a past of {} without a cache", s.past);
    }
  }

  /// Splits the outputs of scored rows into those of the next-token head and those of the score head.
  template <class Outputs>
  std::pair<Outputs, Outputs> by_head(const Scored& scored, Outputs outputs) const {
    const Index M = std::ssize(scored.rows), first = model_.next_token_head() != nullptr ? M : 0;
    assert(outputs.size() == first + (model_.score_head() != nullptr ? M : 0));
    return {Outputs(outputs.data(), first), Outputs(outputs.data() + first, outputs.size() - first)};
  }

  const NextTokenHead<T>& next_token_head() const {
    assert(model_.next_token_head() != nullptr);
    return *model_.next_token_head();
  }

  ForwardContext<T> context() const { return {*weights_, tables_, *rows_, step_, adapter_scratch_, arrivals_}; }

  RunnerOptions options_;
  LanguageModel<T> model_;
  PositionTables<T> tables_;
  Arena cache_arena_;
  std::vector<KeyValues<T>> cache_;  // by layer; empty without a cache
  Arena arena_;
  HeadScratch<T> head_scratch_;
  AdapterScratch<T> adapter_scratch_;
  std::size_t activations_begin_;
  std::optional<GptActivations<T>> activations_;  // for as many rows as the last forward had
  // Of the last forward:
  const ParameterBuffer<T>* weights_ = nullptr;
  Arrivals* arrivals_ = nullptr;
  const TokenRows* rows_ = nullptr;
  StepContext step_;
};

}  // namespace

template <class T>
std::unique_ptr<Runner<Acc<T>>> make_runner(const ModelConfig& config, Index vocab_size, const RunnerOptions& options) {
  return std::make_unique<RunnerOf<T>>(config, vocab_size, options);
}

std::unique_ptr<Runner<float>> make_runner(const ModelConfig& config, Index vocab_size, Precision precision,
                                           const RunnerOptions& options) {
  return with_precision(precision, [&]<class T>() { return make_runner<T>(config, vocab_size, options); });
}

std::size_t runner_bytes(const ModelConfig& config, Index vocab_size, Precision precision,
                         const RunnerOptions& options) {
  return with_precision(precision, [&]<class T>() {
    const LanguageModel<T> model(config, vocab_size);
    return cache_bytes<T>(config, options) + arena_bytes(model, options) + PositionTables<T>::bytes(config) +
           (options.backward ? kernel_bytes(model, options) : 0);
  });
}

#define KILN_INSTANTIATE(T) \
  template std::unique_ptr<Runner<Acc<T>>> make_runner<T>(const ModelConfig&, Index, const RunnerOptions&);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
KILN_INSTANTIATE(double)
#undef KILN_INSTANTIATE

}  // namespace kiln
