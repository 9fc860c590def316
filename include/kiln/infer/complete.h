// Continues prompts with text: generates tokens, and decodes each as it is drawn.
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
  // Texts that end a sample and are not part of it. They may span tokens. The name of a special token also matches that
  // token.
  std::vector<std::string> stops = {};
};

struct Completion {
  std::string text;  // valid UTF-8, without the prompt; special tokens by their meaning (document.h)
  Index tokens = 0;  // drawn, including the stop text's, excluding an end token
  Finish finish = Finish::length;
  std::vector<TokenId> ids = {};               // of those tokens, and with keeps_end of the end token
  std::vector<double> log_probabilities = {};  // of each, see OnToken; empty unless requested in the options
};

/// Called with each new piece of a sample's text, in whole characters; `last` if the sample has ended. Pieces may be
/// empty.
using OnText = std::function<void(Index sample, std::string_view piece, bool last)>;

/// Continues each prompt as generate does, until an end token, a stop text or max_tokens. Returns the completions in
/// the order of the prompts. Throws what generate throws, and Error (usage) for an empty stop text.
std::vector<Completion> complete(const ModelView& model, const Tokenizer& tokenizer, std::span<const Prompt> prompts,
                                 const CompletionOptions& options, const OnText& on_text = {});

}  // namespace kiln
