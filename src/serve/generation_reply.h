// Writes the replies of OpenAI's chat completions and completions, whole or in chunks.
#pragma once

#include "kiln/core/json.h"
#include "kiln/infer/decoder.h"
#include "kiln/infer/token_stream.h"
#include "kiln/text/tokenizer.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Counts of one request.
struct TokenUsage {
  Index prompt = 0;  // of all prompts, each once
  Index drawn = 0;   // of all answers, end tokens included
  Index cached = 0;  // of the prompts, that were not computed again
};

/// A text with the tokens that it consists of.
struct AnswerPiece {
  std::string text;  // whole characters; pieces put together are the answer
  /// Empty unless log probabilities were requested. The first token of a prompt has log_probability NaN, since nothing
  /// comes before it that could predict it.
  std::vector<DecodedToken> tokens;
};

/// An answer, or with `echo` a prompt and its answer.
struct FinishedAnswer {
  AnswerPiece whole;
  std::string_view finish_reason;  // "stop" or "length"
};

/// Writes the replies to one request: all have the same id and time. Bytes that are not UTF-8 become U+FFFD in texts.
///
/// A token is written as its text; if that is not UTF-8, as "bytes:" and the text with such bytes as "\xe2\x80", as
/// OpenAI's API does. An id beyond the tokenizer's vocabulary is "token_id:ID". Log probabilities below -9999 become
/// that, since JSON has no infinity. Completions' top_logprobs have the token itself as well, so that none are empty;
/// text_offset counts the characters (code points) that are complete before a token, special tokens by their meaning.
class GenerationReply {
 public:
  /// `id` is what follows "chatcmpl-" or "cmpl-"; `created` in seconds since 1970. The tokenizer must outlive it.
  GenerationReply(bool is_chat, const std::string& id, std::int64_t created, const std::string& model,
                  bool log_probabilities, const Tokenizer& tokenizer);

  /// Returns the whole reply, choice i for answer i.
  Json whole(std::span<const FinishedAnswer> answers, const TokenUsage& usage) const;

  /// Return the chunks of a stream, in this order for each choice: `begin` (chat alone; the role), any number of
  /// `piece`, `end`. Each is an event "data: ...\n\n"; `begin` of completions is "".
  std::string begin(Index choice) const;
  std::string piece(Index choice, const AnswerPiece& piece);
  std::string end(Index choice, std::string_view finish_reason) const;

  /// Returns the chunk with the counts, which has no choices; and the event that ends every stream.
  std::string usage(const TokenUsage& usage) const;
  static std::string done();

 private:
  /// The tokens of a choice that were written before, for text_offset.
  struct Before {
    TokenStream stream;
    std::size_t characters = 0;
  };

  std::string chunk(Index choice, std::string_view content, std::string_view log_probabilities,
                    std::string_view finish_reason) const;
  Before nothing_before() const;
  std::string log_probabilities_of(std::span<const DecodedToken> tokens, Before& before) const;

  bool is_chat_;
  bool log_probabilities_;
  const Tokenizer* tokenizer_;
  std::string head_;            // the JSON of whole replies up to the choices' '['
  std::string chunk_head_;      // the same of an event
  std::vector<Before> before_;  // by choice
};

}  // namespace kiln
