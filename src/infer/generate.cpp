// Feeds prompts and drawn tokens to a runner with a cache, and draws from the logits.
#include "kiln/infer/generate.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/infer/context.h"

#include "infer/token_drawer.h"
#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr Index kMostTogether = 64;        // and no more than fit into kCacheBytes; further samples wait
constexpr Index kMostSamples = 1'000'000;  // so that their texts fit into memory
constexpr Index kRowsTogether = 512;       // of prompts fed in one forward

/// A sample in progress.
struct LiveSample {
  Index number;
  Index prompt;
  Index slot;  // of the cache
  Rng rng;
  std::vector<TokenId> tokens;  // the prompt and the drawn tokens
  Index cached = 0;             // positions in its slot
  Index unfed = 0;              // last tokens, which are not in the cache
};

class Generation {
 public:
  Generation(const ModelView& model, std::span<const std::span<const TokenId>> prompts,
             const GenerationOptions& options, const OnToken& on_token, const OnFinish& on_finish)
      : model_(model),
        prompts_(prompts),
        options_(options),
        on_token_(on_token),
        on_finish_(on_finish),
        drawer_(options.sampling, candidates(), options.log_probabilities),
        slots_(slots()),
        most_rows_(most_rows()),
        runner_(model.make_runner({.rows = most_rows_, .slots = slots_, .slot_size = slot_size()})),
        arena_(bytes_of([&](Arena& arena) { arena.matrix<float>(slots_, model.vocab_size); })),
        logits_(arena_.matrix<float>(slots_, model.vocab_size)),
        free_slots_(static_cast<std::size_t>(slots_)) {
    std::iota(free_slots_.rbegin(), free_slots_.rend(), Index{0});  // slot 0 is taken first
  }

  void run() {
    for (;;) {
      begin_samples();
      if (live_.empty()) return;
      draw_tokens();
      feed(0);
    }
  }

 private:
  Index n_ctx() const { return model_.config.n_ctx; }
  Index candidates() const { return std::min(model_.vocab_size, options_.vocab_size.value_or(model_.vocab_size)); }
  Index samples() const { return std::ssize(prompts_) * options_.samples; }
  Index longest_prompt() const {
    return std::ssize(*std::ranges::max_element(prompts_, {}, [](const auto& prompt) { return prompt.size(); }));
  }

  /// Returns the positions per slot: the model is fed every token except the last drawn one.
  Index slot_size() const { return longest_prompt() + std::min(options_.max_tokens - 1, n_ctx() - longest_prompt()); }
  bool may_overflow() const { return options_.max_tokens - 1 > n_ctx() - longest_prompt(); }
  /// Returns the number of tokens that a sample keeps when it has filled the context.
  Index kept_tokens() const {
    return options_.overflow == ContextOverflow::recompute ? n_ctx() : std::max<Index>(1, n_ctx() / 2);
  }

  Index slots() const {
    const std::size_t a_slot = cache_bytes(model_, slot_size());
    const Index most = std::clamp(static_cast<Index>(kCacheBytes / a_slot), Index{1}, kMostTogether);
    return std::min(most, samples());
  }

  /// Returns the rows of the largest forward: a prompt, a token of each sample, or several prompts.
  Index most_rows() const {
    const bool refeeds = may_overflow() && options_.overflow != ContextOverflow::stop;
    const Index longest = refeeds ? std::max(longest_prompt(), kept_tokens()) : longest_prompt();
    const Index rows = std::max(longest, slots_);
    if (prompts_.size() == 1 && !(refeeds && slots_ > 1)) return rows;
    Index all = 0;
    for (const auto& prompt : prompts_) all += std::ssize(prompt);
    const Index wanted = std::max(rows, std::min(std::max(all, slots_ * longest), kRowsTogether));
    return rounded_up_rows(wanted);
  }

  bool has_next() const { return !free_slots_.empty() && next_ < samples(); }
  Index next_prompt() const { return next_ / options_.samples; }

  /// Starts a sample in every free slot. The first sample of a prompt feeds it; the others copy its keys, values and
  /// logits.
  void begin_samples() {
    while (has_next() && next_prompt() == known_.prompt) add_copy(begin_sample(), known_.slot, known_.logits.data());
    const std::size_t first = live_.size();
    std::vector<LiveSample> copies;
    while (has_next()) {
      const bool is_copy = live_.size() > first && live_.back().prompt == next_prompt();
      (is_copy ? copies : live_).push_back(begin_sample());
    }
    for (std::size_t i = first; i < live_.size(); ++i) live_[i].unfed = std::ssize(live_[i].tokens);
    feed(first);
    const std::size_t last_fed = live_.size() - 1;
    for (LiveSample& copy : copies) {
      const auto source = std::ranges::find(live_.begin() + static_cast<std::ptrdiff_t>(first), live_.end(),
                                            copy.prompt, &LiveSample::prompt);
      add_copy(std::move(copy), source->slot, kiln::row(logits_, source - live_.begin()));
    }
    if (live_.size() > first && options_.samples > 1) {
      const float* logits = kiln::row(logits_, static_cast<Index>(last_fed));
      known_.prompt = live_[last_fed].prompt;
      known_.slot = live_[last_fed].slot;
      known_.logits.assign(logits, logits + logits_.cols());
    }
  }

  /// Adds a sample whose prompt is cached in `slot` and has these logits.
  void add_copy(LiveSample sample, Index slot, const float* logits) {
    sample.cached = std::ssize(sample.tokens);
    runner_->copy_slot(slot, sample.slot, sample.cached);
    std::copy_n(logits, logits_.cols(), kiln::row(logits_, std::ssize(live_)));
    live_.push_back(std::move(sample));
  }

  LiveSample begin_sample() {
    const Index number = next_++, prompt = number / options_.samples;
    const std::span<const TokenId> tokens = prompts_[static_cast<std::size_t>(prompt)];
    const Index slot = free_slots_.back();
    free_slots_.pop_back();
    return {.number = number,
            .prompt = prompt,
            .slot = slot,
            .rng = Rng(options_.seed, "sampling", stream_of(number, tokens)),
            .tokens = {tokens.begin(), tokens.end()}};
  }

  /// Returns the substream of a sample's draws.
  std::uint64_t stream_of(Index number, std::span<const TokenId> prompt) const {
    if (options_.draws == DrawStream::of_number) return options_.first_number + static_cast<std::uint64_t>(number);
    const auto of_sample = static_cast<std::uint64_t>(number % options_.samples);
    if (options_.draws == DrawStream::of_sample) return of_sample;
    const auto bytes = std::as_bytes(prompt);
    return hash_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, of_sample);
  }

  /// Feeds the unfed tokens of the live samples from `first` on, in as few forwards as the memory allows. Writes the
  /// logits after the last token of sample i to row i.
  void feed(std::size_t first) {
    for (std::size_t begin = first; begin < live_.size();) {
      rows_.clear();
      last_rows_.clear();
      const Index length = live_[begin].unfed;
      bool is_mixed = false;
      std::size_t end = begin;
      for (; end < live_.size(); ++end) {
        LiveSample& sample = live_[end];
        if (end > begin && rows_.size() + sample.unfed > most_rows_) break;
        is_mixed |= sample.unfed != length;
        rows_.append(std::span(sample.tokens).last(static_cast<std::size_t>(sample.unfed)),
                     {.past = sample.cached, .slot = sample.slot});
        last_rows_.push_back(rows_.size() - 1);
        sample.cached += std::exchange(sample.unfed, 0);
      }
      if (is_mixed) rows_.round_up(kRowMultiple);
      runner_->forward(model_.weights, rows_);
      runner_->logits(last_rows_, rows(logits_, static_cast<Index>(begin), static_cast<Index>(end - begin)));
      begin = end;
    }
  }

  /// Draws a token for every live sample; frees the slots of those that end.
  void draw_tokens() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < live_.size(); ++i) {
      LiveSample& sample = live_[i];
      const std::optional<Finish> finish = draw_token(sample, kiln::row(logits_, static_cast<Index>(i)));
      if (finish) {
        on_finish_(sample.number, *finish);
        free_slots_.push_back(sample.slot);
      } else {
        if (kept != i) live_[kept] = std::move(sample);
        ++kept;
      }
    }
    live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(kept), live_.end());
  }

  std::optional<Finish> draw_token(LiveSample& sample, float* logits) {
    const auto [token, log_probability] =
        drawer_.draw(Vec<float>(logits, model_.vocab_size), window(sample), sample.rng);
    if (std::ranges::find(options_.end_tokens, token) != options_.end_tokens.end()) {
      if (options_.keeps_end) on_token_(sample.number, token, log_probability);
      return Finish::end;
    }
    sample.tokens.push_back(token);
    sample.unfed = 1;
    if (!on_token_(sample.number, token, log_probability)) return Finish::stop;
    const Index prompt_size = std::ssize(prompts_[static_cast<std::size_t>(sample.prompt)]);
    if (std::ssize(sample.tokens) - prompt_size == options_.max_tokens) return Finish::length;
    if (sample.cached == n_ctx()) {
      if (options_.overflow == ContextOverflow::stop) return Finish::length;
      forget(sample);
    }
    return std::nullopt;
  }

  /// Restarts a sample that has filled the context: its last tokens are fed again from position 0 on.
  void forget(LiveSample& sample) {
    if (sample.slot == known_.slot) known_.prompt = -1;  // its slot no longer begins with the prompt
    sample.cached = 0;
    sample.unfed = kept_tokens();
  }

  /// Returns the tokens of the repetition penalty: the last n_ctx.
  std::span<const TokenId> window(const LiveSample& sample) const {
    const std::span<const TokenId> tokens(sample.tokens);
    return tokens.last(std::min(tokens.size(), static_cast<std::size_t>(n_ctx())));
  }

  const ModelView& model_;
  std::span<const std::span<const TokenId>> prompts_;
  const GenerationOptions& options_;
  const OnToken& on_token_;
  const OnFinish& on_finish_;
  TokenDrawer drawer_;
  Index slots_;      // samples that advance together, at most
  Index most_rows_;  // of a forward
  std::unique_ptr<Runner<float>> runner_;
  Arena arena_;
  Mat<float> logits_;  // (slots, V), a row for each live sample
  std::vector<LiveSample> live_;
  std::vector<Index> free_slots_;
  Index next_ = 0;  // sample to begin
  struct {
    Index prompt = -1;
    Index slot = 0;
    std::vector<float> logits;
  } known_;  // a prompt at the beginning of a slot, and its logits
  TokenRows rows_;
  std::vector<Index> last_rows_;  // of each sequence in rows_
};

}  // namespace

void GenerationOptions::validate() const {
  sampling.validate();
  check(max_tokens >= 0, "max-tokens is {}; it must be 0 or more", max_tokens);
  check(samples >= 1 && samples <= kMostSamples, "samples is {}; it must be 1 to {}", samples,
        format_count(kMostSamples));
}

void generate(const ModelView& model, std::span<const Prompt> prompts, const GenerationOptions& options,
              const OnToken& on_token, const OnFinish& on_finish) {
  options.validate();
  std::vector<std::span<const TokenId>> fitting;
  for (const Prompt& prompt : prompts) fitting.push_back(fit_context(prompt, model.config.n_ctx, model.vocab_size));
  if (fitting.empty()) return;
  check(options.samples <= kMostSamples / std::ssize(prompts), "{} of each of {} are too many; at most {} in all",
        counted(options.samples, "sample"), counted(std::ssize(prompts), "prompt"), format_count(kMostSamples));
  if (options.max_tokens == 0) {
    for (Index n = 0; n < std::ssize(prompts) * options.samples; ++n) on_finish(n, Finish::length);
    return;
  }
  Generation(model, fitting, options, on_token, on_finish).run();
}

}  // namespace kiln
