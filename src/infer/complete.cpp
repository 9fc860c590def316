// Decodes each sample through a text stream, token by token.
#include "kiln/infer/complete.h"

#include "infer/text_stream.h"
#include <algorithm>
#include <array>

namespace kiln {
namespace {

/// A sample in progress.
struct Sample {
  Sample(const std::vector<std::string>& stops, std::span<const TokenId> prompt) : stream(stops) {
    if (!prompt.empty()) previous = prompt.back();
  }

  TextStream stream;
  std::optional<TokenId> previous;  // at first the prompt's last token
  Completion completion;
};

/// Returns the text that a token adds. It depends on the previous token if decoding puts spaces between tokens.
std::string text_of(const Tokenizer& tokenizer, TokenId token, std::optional<TokenId> previous) {
  const std::array pair{previous.value_or(token), token};
  const std::span<const TokenId> both(pair), first = both.first(1);
  if (!previous) return tokenizer.decode(first, SpecialText::meaning);
  const std::size_t known = tokenizer.decode(first, SpecialText::meaning).size();
  return tokenizer.decode(both, SpecialText::meaning).substr(known);
}

}  // namespace

std::vector<Completion> complete(const ModelView& model, const Tokenizer& tokenizer, std::span<const Prompt> prompts,
                                 const CompletionOptions& options, const OnText& on_text) {
  GenerationOptions generation = options.generation;
  generation.vocab_size = tokenizer.vocab_size();
  generation.validate();
  std::vector<Sample> samples;
  for (const Prompt& prompt : prompts) {
    samples.insert(samples.end(), static_cast<std::size_t>(generation.samples), Sample(options.stops, prompt));
  }

  const auto is_stop = [&](TokenId token) {
    const SpecialToken* special = tokenizer.special_by_id(token);
    return special != nullptr && std::ranges::find(options.stops, special->content) != options.stops.end();
  };
  const auto add = [&](Index index, const std::string& piece, bool last) {
    samples[static_cast<std::size_t>(index)].completion.text += piece;
    if (on_text) on_text(index, piece, last);
  };
  const auto on_token = [&](Index index, TokenId token, double log_probability) {
    Sample& sample = samples[static_cast<std::size_t>(index)];
    ++sample.completion.tokens;
    sample.completion.ids.push_back(token);
    if (generation.log_probabilities) sample.completion.log_probabilities.push_back(log_probability);
    if (is_stop(token)) return false;
    add(index, sample.stream.push(text_of(tokenizer, token, sample.previous)), false);
    sample.previous = token;
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
