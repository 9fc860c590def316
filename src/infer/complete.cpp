// Decodes each sample through a text stream, token by token.
#include "kiln/infer/complete.h"

#include "kiln/infer/token_stream.h"

#include <algorithm>
#include <utility>

namespace kiln {
namespace {

/// A sample in progress.
struct Sample {
  TokenStream stream;
  Completion completion;
};

}  // namespace

std::vector<Completion> complete(const ModelView& model, const Tokenizer& tokenizer, std::span<const Prompt> prompts,
                                 const CompletionOptions& options, const OnText& on_text) {
  GenerationOptions generation = options.generation;
  generation.vocab_size = tokenizer.vocab_size();
  generation.validate();
  std::vector<Sample> samples;
  for (const Prompt& prompt : prompts) {
    const std::optional<TokenId> last = prompt.empty() ? std::nullopt : std::optional(prompt.back());
    samples.insert(samples.end(), static_cast<std::size_t>(generation.samples),
                   {TokenStream(tokenizer, options.stops, last), {}});
  }

  const auto add = [&](Index index, const std::string& piece, bool last) {
    samples[static_cast<std::size_t>(index)].completion.text += piece;
    if (on_text) on_text(index, piece, last);
  };
  const auto on_token = [&](Index index, TokenId token, double log_probability) {
    Sample& sample = samples[static_cast<std::size_t>(index)];
    sample.completion.ids.push_back(token);
    if (generation.log_probabilities != LogProbabilities::none)
      sample.completion.log_probabilities.push_back(log_probability);
    const auto& ends = generation.end_tokens;
    if (std::ranges::find(ends, token) != ends.end()) return true;  // kept, but no part of the text
    ++sample.completion.tokens;
    add(index, sample.stream.push(token), false);
    return !sample.stream.stopped();
  };
  const auto on_finish = [&](Index index, Finish finish) {
    Sample& sample = samples[static_cast<std::size_t>(index)];
    sample.completion.finish = finish;
    add(index, sample.stream.finish(), true);
  };
  generate(model, prompts, generation, on_token, on_finish);

  std::vector<Completion> completions;
  completions.reserve(samples.size());
  for (Sample& sample : samples) completions.push_back(std::move(sample.completion));
  return completions;
}

}  // namespace kiln
