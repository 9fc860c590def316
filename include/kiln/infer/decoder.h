// Continues sequences that join and leave at any time: each step feeds one token of each, and parts of new prompts.
#pragma once

#include "kiln/infer/inspect.h"
#include "kiln/infer/sampler.h"
#include "kiln/nn/model_weights.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace kiln {

/// Why a sequence ended. length: it has max_tokens, or has filled the context and may not exceed it; stop: on_token
/// returned false, as for a stop text; end: an end token was drawn.
enum class Finish { length, stop, end };
inline constexpr std::array<std::string_view, 3> kFinishes{"length", "stop", "end"};
inline std::string_view name_of(Finish finish) { return kFinishes[static_cast<std::size_t>(finish)]; }

/// What happens when a sequence has filled the context. half: drops the older half, and feeds the newer half again; a
/// token then costs about 1.1 times as much as within the context. recompute: moves the window by one token, and feeds
/// all of it again for every token. stop: ends the sequence.
enum class ContextOverflow { half, recompute, stop };
inline constexpr std::array<std::string_view, 3> kContextOverflows{"half", "recompute", "stop"};

/// The log probability that is told of a token, natural and over the whole vocabulary. of_model: before penalties,
/// temperature and truncation, as in `inspect`; at_temperature: the same at the temperature of the sampling, which must
/// be above 0.
enum class LogProbabilities { none, of_model, at_temperature };

/// The room in a decoder's cache is given out in units of so many tokens.
inline constexpr Index kCacheUnit = 16;

/// What a decoder may use. All memory is allocated at the start.
struct DecoderOptions {
  Index cache_positions = 0;  // tokens whose keys and values are kept, of running and of earlier sequences
  Index most_sequences = 64;  // that run at a time; further ones wait
  Index most_rows = 256;      // of a forward; a longer prompt takes several steps
  Index candidates = 0;       // ids from this one on are not drawn; 0: the model's vocabulary
  /// A sequence's tokens then depend on nothing else: not on the other sequences of a step, not on what the cache held.
  /// Forwards have at most 8 rows, whose products sum each row in the same way however many there are, and attention
  /// reads the keys query by query. A step takes as many forwards as its sequences need. Without it, results differ in
  /// their last bits.
  bool deterministic = false;

  /// Throws Error (usage) for a value out of range.
  void validate() const;
};

/// A token that was drawn, or a token of the prompt, with what the model predicted at its position.
struct DecodedToken {
  TokenId token = 0;
  double log_probability = 0;         // natural; see DecodingRequest::log_probabilities
  std::vector<TokenProbability> top;  // the likeliest tokens, as many as requested
};

/// A sequence to continue.
struct DecodingRequest {
  std::vector<TokenId> prompt;  // 1 to context() tokens
  Index max_tokens = 200;       // drawn at most
  SamplingOptions sampling = {};
  std::uint64_t seed = 1337;             // of the draws
  std::uint64_t stream = 0;              // draws come from this substream of "sampling"
  std::vector<TokenId> end_tokens = {};  // each ends the sequence
  bool keeps_end = false;                // on_token gets the end token too, else it is not part of the sequence
  ContextOverflow overflow = ContextOverflow::stop;
  LogProbabilities log_probabilities = LogProbabilities::none;
  Index top = 0;               // likeliest tokens to report; needs log_probabilities
  bool scores_prompt = false;  // reports the prompt's tokens from the second on; reads the cache of none
};

/// Why a sequence ended, and what it took.
struct DecodingEnd {
  Finish finish = Finish::length;
  bool diverged = false;  // its logits were not finite; see fail_diverged (context.h)
  Index cached = 0;       // tokens of the prompt that were in the cache
};

/// What a sequence's owner is told, within step(). Each may be empty. They must not call the decoder. A sequence whose
/// event throws ends; step() throws the first such exception once all others have been told.
struct DecodingEvents {
  std::function<void(const DecodedToken& token)> on_prompt_token;
  std::function<bool(const DecodedToken& token)> on_token;  // returning false ends the sequence (Finish::stop)
  std::function<void(const DecodingEnd& end)> on_end;       // once, unless the sequence is removed
};

/// Sums over a decoder's life.
struct DecoderCounts {
  std::uint64_t steps = 0;  // forwards
  std::uint64_t fed_tokens = 0;
  std::uint64_t prompt_tokens = 0;  // of those
  std::uint64_t cached_tokens = 0;  // of prompts, that need not be fed
  std::uint64_t drawn_tokens = 0;
  std::uint64_t sequence_steps = 0;  // over all forwards, the sequences in them
};

/// Continues sequences of one model. The longest common beginning of a prompt with any sequence whose keys and values
/// are still in the cache is not computed again; the least recently used make room. Only one thread at a time may use a
/// decoder.
class Decoder {
 public:
  using Id = std::uint64_t;

  /// The model's parts must outlive the decoder. Throws Error (usage) for options out of range, or memory that cannot
  /// be allocated.
  Decoder(const ModelView& model, const DecoderOptions& options);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Returns the most tokens of a sequence: n_ctx, or what the cache holds.
  Index context() const;

  /// Adds a sequence behind those that wait. Throws Error (usage) for an empty prompt, one longer than the context, ids
  /// outside the vocabulary, or sampling out of range.
  Id add(DecodingRequest request, DecodingEvents events);

  /// Removes a sequence without a further event. Does nothing if it has ended.
  void remove(Id id);

  /// Begins those that wait if there is room, runs one forward, and draws. Returns false if there is no sequence.
  bool step();

  Index running() const;
  Index waiting() const;
  const DecoderCounts& counts() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kiln
