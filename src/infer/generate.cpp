// Gives the samples of all prompts to one decoder, which computes what they have in common once.
#include "kiln/infer/generate.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/hash.h"
#include "kiln/infer/context.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr Index kMostTogether = 64;        // and no more than fit into kCacheBytes; further samples wait
constexpr Index kMostSamples = 1'000'000;  // so that their texts fit into memory
constexpr Index kRowsTogether = 512;       // of prompts fed in one forward

using Prompts = std::span<const std::span<const TokenId>>;

/// Returns what a decoder needs for the samples.
DecoderOptions decoder_options(const ModelView& model, Prompts prompts, const GenerationOptions& options) {
  Index longest = 0, all = 0;  // tokens of prompts
  for (const auto& prompt : prompts) {
    longest = std::max(longest, std::ssize(prompt));
    all += std::ssize(prompt);
  }
  const Index n_ctx = model.config.n_ctx;
  const bool overflows = options.max_tokens - 1 > n_ctx - longest && options.overflow != ContextOverflow::stop;
  const Index size = longest + std::min(options.max_tokens, n_ctx - longest);
  const Index room = (size + kCacheUnit - 1) / kCacheUnit * kCacheUnit;
  const Index most = std::clamp(static_cast<Index>(kCacheBytes / cache_bytes(model, room)), Index{1}, kMostTogether);
  const Index together = std::min(most, std::ssize(prompts) * options.samples);
  return {.cache_positions = together * room,
          .most_sequences = together,
          .most_rows = std::max(together, std::min(overflows ? std::max(all, together * n_ctx) : all, kRowsTogether)),
          .candidates = std::min(model.vocab_size, options.vocab_size.value_or(model.vocab_size))};
}

/// Returns the substream of a sample's draws.
std::uint64_t stream_of(const GenerationOptions& options, Index number, std::span<const TokenId> prompt) {
  if (options.draws == DrawStream::of_number) return options.first_number + static_cast<std::uint64_t>(number);
  const auto of_sample = static_cast<std::uint64_t>(number % options.samples);
  if (options.draws == DrawStream::of_sample) return of_sample;
  const auto bytes = std::as_bytes(prompt);
  return hash_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, of_sample);
}

DecodingRequest request_of(const GenerationOptions& options, Index number, std::span<const TokenId> prompt) {
  return {.prompt = {prompt.begin(), prompt.end()},
          .max_tokens = options.max_tokens,
          .sampling = options.sampling,
          .seed = options.seed,
          .stream = stream_of(options, number, prompt),
          .end_tokens = options.end_tokens,
          .keeps_end = options.keeps_end,
          .overflow = options.overflow,
          .log_probabilities = options.log_probabilities};
}

DecodingEvents events_of(Index number, const OnToken& on_token, const OnFinish& on_finish) {
  DecodingEvents events;
  events.on_token = [number, &on_token](const DecodedToken& drawn) {
    return on_token(number, drawn.token, drawn.log_probability);
  };
  events.on_end = [number, &on_finish](const DecodingEnd& end) {
    if (end.diverged) fail_diverged("the model's scores for the next token are not finite");
    on_finish(number, end.finish);
  };
  return events;
}

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
  const Index samples = std::ssize(prompts) * options.samples;
  if (options.max_tokens == 0) {
    for (Index n = 0; n < samples; ++n) on_finish(n, Finish::length);
    return;
  }
  const DecoderOptions decoding = decoder_options(model, fitting, options);
  Decoder decoder(model, decoding);
  Index next = 0;
  do {  // as many wait as run, so that the prompts of these begin together
    for (; next < samples && decoder.running() + decoder.waiting() < 2 * decoding.most_sequences; ++next) {
      const std::span<const TokenId> prompt = fitting[static_cast<std::size_t>(next / options.samples)];
      decoder.add(request_of(options, next, prompt), events_of(next, on_token, on_finish));
    }
  } while (decoder.step());
}

}  // namespace kiln
