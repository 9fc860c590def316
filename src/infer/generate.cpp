// The prompt goes through the model once; its keys and values are then copied for every sample.
#include "kiln/infer/generate.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/infer/context.h"
#include "kiln/infer/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace kiln {
namespace {

constexpr std::size_t kMemoryBytes = std::size_t{1} << 30;  // of keys and values; samples beyond it wait their turn
constexpr Index kMostTogether = 64;
constexpr Index kMostSamples = 1'000'000;  // whose texts fit into memory

struct Sequence {
  Index sample;
  Rng rng;
  std::vector<TokenId> tokens;  // the prompt and what was drawn
};

template <class T>
class Generation {
 public:
  Generation(const LanguageModel<T>& model, const ParameterBuffer<T>& weights, std::span<const TokenId> prompt,
             const GenerationOptions& options, const OnToken& on_token, const OnFinish& on_finish)
      : model_(model),
        weights_(weights),
        prompt_(prompt),
        options_(options),
        on_token_(on_token),
        on_finish_(on_finish),
        sampler_(options.sampling),
        together_(sequences_together()),
        cache_(model.config(), together_, positions()),
        arena_(arena_bytes()),
        logits_(arena_.template matrix<float>(together_, model.vocab_size())),
        activations_begin_(arena_.mark()) {}

  void run() {
    for (Index first = 0; first < options_.samples; first += together_) {
      ingest_prompt(first, std::min(together_, options_.samples - first));
      for (;;) {
        draw_tokens();
        if (live_.empty()) break;
        advance();
      }
    }
  }

 private:
  Index n_ctx() const { return model_.config().n_ctx; }
  Index prompt_size() const { return std::ssize(prompt_); }

  /// Positions that the cache must hold: every token but the last one drawn is fed to the model.
  Index positions() const { return std::min(n_ctx() - prompt_size(), options_.max_tokens - 1) + prompt_size(); }

  Index sequences_together() const {
    const std::size_t one = KvCache<T>::bytes(model_.config(), 1, positions());
    const Index most = std::clamp(static_cast<Index>(kMemoryBytes / one), Index{1}, kMostTogether);
    return std::min(most, options_.samples);
  }

  /// Logits, and activations of whichever forward needs most.
  std::size_t arena_bytes() const {
    return bytes_of([&](Arena& arena) {
      arena.matrix<float>(together_, model_.vocab_size());
      const std::size_t begin = arena.mark();
      model_.trunk.lay_out(arena, together_, 1, Keep::nothing);
      arena.release(begin);
      model_.trunk.lay_out(arena, 1, positions(), Keep::nothing);
    });
  }

  /// Views for B sequences of `length` tokens, laid out anew only where they differ from the last ones.
  GptActivations<T>& activations_for(Index B, Index length) {
    if (!activations_ || activations_->B != B || activations_->length != length) {
      arena_.release(activations_begin_);
      activations_.emplace(model_.trunk.lay_out(arena_, B, length, Keep::nothing));  // a view assigned to would copy
    }
    return *activations_;
  }

  /// Runs one sequence and leaves the scores after its last token in a row of the logits.
  void score_last(std::span<const TokenId> tokens, KeyValueCache<T>* cache, Index logits_row) {
    const Index length = std::ssize(tokens);
    GptActivations<T>& a = activations_for(1, length);
    model_.trunk.forward(weights_, tokens, StepContext{}, a, cache);
    model_.head.logits(weights_, rows(as_const(a.hidden), length - 1, 1), rows(logits_, logits_row, 1));
  }

  void ingest_prompt(Index first_sample, Index count) {
    cache_.clear();
    score_last(prompt_, &cache_.views(), 0);
    for (Index b = 0; b < count; ++b) {
      const Index sample = first_sample + b;
      live_.push_back({sample, Rng(options_.seed, "sampling", static_cast<std::uint64_t>(sample)),
                       std::vector<TokenId>(prompt_.begin(), prompt_.end())});
      if (b == 0) continue;
      cache_.copy_sequence(0, b);
      rows(logits_, b, 1) = rows(logits_, 0, 1);
    }
  }

  /// Draws a token for every live sequence; those that end make room by moving the last one into their place.
  void draw_tokens() {
    for (Index b = std::ssize(live_); b-- > 0;) {
      Sequence& sequence = live_[static_cast<std::size_t>(b)];
      const std::optional<Finish> finish = draw_token(sequence, row(logits_, b));
      if (!finish) continue;
      on_finish_(sequence.sample, *finish);
      const Index last = std::ssize(live_) - 1;
      if (b != last) {
        sequence = std::move(live_.back());
        cache_.copy_sequence(last, b);
      }
      live_.pop_back();
    }
  }

  std::optional<Finish> draw_token(Sequence& sequence, float* logits) {
    const Index candidates = std::min(model_.vocab_size(), options_.vocab_size.value_or(model_.vocab_size()));
    if (options_.log_probabilities)
      drawn_from_.assign(logits, logits + model_.vocab_size());  // the sampler spoils them
    const TokenId token = sampler_.pick(Vec<float>(logits, candidates), window(sequence), sequence.rng);
    if (std::ranges::find(options_.end_tokens, token) != options_.end_tokens.end()) return Finish::end;
    sequence.tokens.push_back(token);
    const double log_probability = options_.log_probabilities ? log_probability_of(token) : 0;
    if (!on_token_(sequence.sample, token, log_probability)) return Finish::stop;
    if (std::ssize(sequence.tokens) - prompt_size() == options_.max_tokens) return Finish::length;
    return std::nullopt;
  }

  /// By the logits that it was drawn from.
  double log_probability_of(TokenId token) const {
    const float greatest = *std::ranges::max_element(drawn_from_);
    double sum = 0;
    for (const float logit : drawn_from_) sum += std::exp(static_cast<double>(logit - greatest));
    return static_cast<double>(drawn_from_[static_cast<std::size_t>(token)] - greatest) - std::log(sum);
  }

  /// What the model sees of a sequence: its last n_ctx tokens.
  std::span<const TokenId> window(const Sequence& sequence) const {
    const std::span<const TokenId> tokens(sequence.tokens);
    return tokens.last(std::min(tokens.size(), static_cast<std::size_t>(n_ctx())));
  }

  /// Scores what follows the token that each live sequence got last.
  void advance() {
    if (cache_.is_full()) {  // the window moves, and with it the position of every token in it
      for (Index b = 0; b < std::ssize(live_); ++b) score_last(window(live_[static_cast<std::size_t>(b)]), nullptr, b);
      return;
    }
    newest_.clear();
    for (const Sequence& sequence : live_) newest_.push_back(sequence.tokens.back());
    const Index B = std::ssize(live_);
    GptActivations<T>& a = activations_for(B, 1);
    model_.trunk.forward(weights_, newest_, StepContext{}, a, &cache_.views());
    model_.head.logits(weights_, as_const(a.hidden), rows(logits_, 0, B));
  }

  const LanguageModel<T>& model_;
  const ParameterBuffer<T>& weights_;
  std::span<const TokenId> prompt_;
  const GenerationOptions& options_;
  const OnToken& on_token_;
  const OnFinish& on_finish_;
  Sampler sampler_;
  Index together_;  // sequences that advance at the same time, at most
  KvCache<T> cache_;
  Arena arena_;
  Mat<float> logits_;  // (together, V)
  std::size_t activations_begin_;
  std::optional<GptActivations<T>> activations_;
  std::vector<Sequence> live_;
  std::vector<TokenId> newest_;    // (B)
  std::vector<float> drawn_from_;  // (V)
};

}  // namespace

void GenerationOptions::validate() const {
  sampling.validate();
  check(max_tokens >= 0, "max-tokens is {}; it must be 0 or more", max_tokens);
  check(samples >= 1 && samples <= kMostSamples, "samples is {}; it must be 1 to {}", samples,
        format_count(kMostSamples));
}

template <class T>
void generate(const LanguageModel<T>& model, const ParameterBuffer<T>& weights, std::span<const TokenId> prompt,
              const GenerationOptions& options, const OnToken& on_token, const OnFinish& on_finish) {
  options.validate();
  prompt = fit_context(prompt, model.config().n_ctx, model.vocab_size());
  if (options.max_tokens == 0) {
    for (Index sample = 0; sample < options.samples; ++sample) on_finish(sample, Finish::length);
    return;
  }
  Generation<T>(model, weights, prompt, options, on_token, on_finish).run();
}

#define KILN_INSTANTIATE(T)                                                                               \
  template void generate<T>(const LanguageModel<T>&, const ParameterBuffer<T>&, std::span<const TokenId>, \
                            const GenerationOptions&, const OnToken&, const OnFinish&);
KILN_INSTANTIATE(float)
KILN_INSTANTIATE(bfloat16)
#undef KILN_INSTANTIATE

}  // namespace kiln
