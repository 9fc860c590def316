// Reads the bodies of OpenAI's chat completions and completions.
#pragma once

#include "kiln/core/json.h"
#include "kiln/infer/sampler.h"
#include "kiln/text/chat_template.h"
#include "kiln/text/token.h"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace kiln {

/// A text or its tokens.
using PromptInput = std::variant<std::string, std::vector<TokenId>>;

/// What a client asks a model to write.
struct GenerationRequest {
  bool is_chat = false;
  std::string model = {};                  // "": the first
  std::vector<ChatMessage> messages = {};  // of a chat
  std::vector<PromptInput> prompts = {};   // of completions, at least one
  Index n = 1;                             // answers to each
  std::optional<Index> max_tokens = {};    // of an answer; none: what is left of the context
  SamplingOptions sampling = {};
  std::vector<std::string> stops = {};
  bool ignores_ends = false;  // an answer ends at a stop text or its longest length alone, as benchmarks need it
  std::optional<std::uint64_t> seed = {};
  bool log_probabilities = false;
  Index top = 0;      // likeliest tokens to report at each place
  bool echo = false;  // a completion's text begins with its prompt
  bool stream = false;
  bool include_usage = false;       // a stream ends with the counts of tokens
  bool drops_oldest_turns = false;  // where a chat is longer than the context; else that is an error
};

/// Read the body of /v1/chat/completions and of /v1/completions. A field that is null is as one that is absent. The
/// texts of a message's parts are joined by line feeds. Token ids are only known to be 0 or more: whoever has the
/// vocabulary checks those of prompts and of logit_bias. Throw ApiError (400), and nothing else, with the field's name:
/// for JSON that is not valid, a field of the wrong type or out of range, one that would change the answer and is not
/// supported, and one that is not known, with a suggestion.
GenerationRequest read_chat_request(std::string_view body);
GenerationRequest read_completion_request(std::string_view body);

}  // namespace kiln
