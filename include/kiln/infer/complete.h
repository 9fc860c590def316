// Continues prompts with text: generates tokens and decodes them as they come.
#pragma once

#include "kiln/infer/generate.h"
#include "kiln/text/tokenizer.h"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

struct CompletionOptions {
  GenerationOptions generation = {};  // vocab_size is the tokenizer's
  // Texts that end a sample and are no part of it. They may span tokens; one that is the name of a special token stands
  // for that token too.
  std::vector<std::string> stops = {};
};

struct Completion {
  std::string text;  // valid UTF-8, without the prompt; special tokens by their meaning (document.h)
  Index tokens = 0;  // drawn, those of the stop text included, an end token not
  Finish finish = Finish::length;
  std::vector<TokenId> ids = {};               // of those tokens
  std::vector<double> log_probabilities = {};  // of each, see OnToken; none where the options do not ask for them
};

/// Called with each further piece of a sample's text, whole characters only; `last` says that the sample has ended.
/// Pieces may be empty.
using OnText = std::function<void(Index sample, std::string_view piece, bool last)>;

/// Continues each prompt as generate does, until an end token, a stop text or max_tokens. Returns the completions of
/// the first prompt, then those of the second, and so on.
/// Throws what generate throws, and Error (usage) for an empty stop text.
std::vector<Completion> complete(const ModelView& model, const Tokenizer& tokenizer, std::span<const Prompt> prompts,
                                 const CompletionOptions& options, const OnText& on_text = {});

}  // namespace kiln
