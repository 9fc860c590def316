// Holds a conversation with a model. Keys and values stay in memory between turns.
#pragma once

#include "kiln/infer/decoder.h"
#include "kiln/infer/turns.h"
#include "kiln/text/chat_template.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

struct ChatOptions {
  SamplingOptions sampling = {};
  Index max_tokens = 512;                // of an answer
  Index context = 0;                     // most tokens that the model reads at once; 0: n_ctx, or what kCacheBytes hold
  std::uint64_t seed = 1337;             // answer k of the session draws from substream k of "sampling"
  std::vector<TokenId> end_tokens = {};  // each ends an answer, as the template's end of turn does
  std::vector<std::string> stops = {};   // texts and special tokens that end an answer, see CompletionOptions

  /// Throws Error (usage) for a value out of range.
  void validate() const;
};

struct Answer {
  std::string text = {};                       // valid UTF-8, trimmed (trim_content); special tokens by their meaning
  std::vector<TokenId> ids = {};               // drawn, including the stop text's, excluding an end token
  std::vector<double> log_probabilities = {};  // of each, see OnToken
  Finish finish = Finish::length;              // length: it has max_tokens, or the context is full
  bool interrupted = false;                    // the callback stopped it; finish is `stop`
  Index dropped_turns = 0;                     // the oldest turns, which the model no longer read
  Index fed = 0;                               // tokens that the model read; the others were in the cache
};

/// Called with each new piece of an answer, in whole characters; returning false stops the answer. Also called with
/// empty pieces: after each token, and between the parts of a long prompt.
using OnPiece = std::function<bool(std::string_view piece)>;

/// A conversation with one model. A turn is a user message with what follows it, up to the next one.
///
/// The model reads only tokens that are new: the longest common beginning of the cached and the wanted tokens is kept.
/// An answer needs room for max_tokens, or for a quarter of the context if that is less. Where the conversation leaves
/// less room, its oldest turns go until at most half of the context is taken, so that most later turns read only what
/// is new (fitting_turns). They stay in messages(), and after undo() the model may read them again. System messages
/// before the first turn are always read.
///
/// Where answer() or retry() throws, and where the callback stops an answer before its first word, the conversation is
/// as it was before the call.
class ChatSession {
 public:
  /// `tokenizer`, `chat_template` and the model's parts must outlive the session. Throws Error (usage) for options out
  /// of range, or memory that cannot be allocated.
  ChatSession(const ModelView& model, const Tokenizer& tokenizer, const ChatTemplate& chat_template,
              ChatOptions options);
  ~ChatSession();
  ChatSession(const ChatSession&) = delete;
  ChatSession& operator=(const ChatSession&) = delete;

  /// Adds a user message and the model's answer to the conversation; returns the answer.
  /// Throws Error: usage if the message does not fit into the context, or as Tokenizer::encode does; diverged if logits
  /// are not finite; and what the callback throws.
  Answer answer(std::string text, const OnPiece& on_piece = {});

  /// Answers the last user message again, with other draws. Throws Error (usage) if there is none; else as answer().
  Answer retry(const OnPiece& on_piece = {});

  /// Removes the last turn; returns false if there is none.
  bool undo();

  /// Removes all turns; keeps the system message.
  void reset();

  /// Replaces the system message; an empty text removes it. Throws Error (usage) as Tokenizer::encode does.
  void set_system(const std::string& text);

  /// Replaces the whole conversation. Throws Error (usage) as Tokenizer::encode does.
  void load(std::vector<ChatMessage> messages);

  /// Returns the whole conversation, dropped turns included.
  const std::vector<ChatMessage>& messages() const { return messages_; }

  /// Returns the conversation's tokens as the model reads them; empty without messages.
  ChatView tokens() const;

  /// Returns the most tokens that the model reads at once.
  Index context() const { return context_; }

 private:
  Index room() const;
  ChatView prompt() const;
  Answer answer_last(const OnPiece& on_piece);
  Answer answer_or_restore(std::vector<ChatMessage> before, const OnPiece& on_piece);
  void draw(std::vector<TokenId> tokens, Answer& answer, const OnPiece& on_piece);

  ModelView model_;
  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
  ChatOptions options_;
  Index context_;
  std::unique_ptr<Decoder> decoder_;  // keeps keys and values between turns
  std::uint64_t answers_ = 0;         // drawn in this session
  std::vector<ChatMessage> messages_;
};

}  // namespace kiln
