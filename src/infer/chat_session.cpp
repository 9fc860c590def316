// Renders the whole conversation for each answer; the cache makes that cheap.
#include "kiln/infer/chat_session.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/infer/context.h"
#include "kiln/infer/token_stream.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace kiln {
namespace {

constexpr Index kPromptRows = 256;  // of a prompt, fed in one forward: an answer can be stopped between two

/// Returns the positions of the cache: those asked for, or as many as fit into kCacheBytes.
Index context_of(const ModelView& model, Index wanted) {
  const Index n_ctx = model.config.n_ctx;
  if (wanted > 0) return std::min(wanted, n_ctx);
  return std::clamp(static_cast<Index>(kCacheBytes / cache_bytes(model, 1)), Index{1}, n_ctx);
}

}  // namespace

void ChatOptions::validate() const {
  sampling.validate();
  check(max_tokens >= 1, "max-tokens is {}; it must be 1 or more", max_tokens);
  check(context >= 0, "the context is {}; it must be 1 or more, or 0 for the model's", context);
  for (const std::string& stop : stops) check(!stop.empty(), "a stop text is empty; give it at least one character");
}

ChatSession::ChatSession(const ModelView& model, const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                         ChatOptions options)
    : model_(model),
      tokenizer_(tokenizer),
      template_(chat_template),
      options_(std::move(options)),
      context_(context_of(model, options_.context)) {
  options_.validate();
  options_.end_tokens.push_back(template_.end_of_turn());
  decoder_ = std::make_unique<Decoder>(model_, DecoderOptions{.cache_positions = context_,
                                                              .most_sequences = 1,
                                                              .most_rows = std::min(context_, kPromptRows),
                                                              .candidates = tokenizer.vocab_size()});
}

ChatSession::~ChatSession() = default;

Answer ChatSession::answer(std::string text, const OnPiece& on_piece) {
  std::vector<ChatMessage> before = messages_;
  messages_.push_back({ChatRole::user, std::move(text)});
  return answer_or_restore(std::move(before), on_piece);
}

Answer ChatSession::retry(const OnPiece& on_piece) {
  const auto last = std::ranges::find(messages_.rbegin(), messages_.rend(), ChatRole::user, &ChatMessage::role);
  check(last != messages_.rend(), "there is no message to answer again");
  std::vector<ChatMessage> before = messages_;
  messages_.erase(last.base(), messages_.end());
  return answer_or_restore(std::move(before), on_piece);
}

/// Answers the last message. Restores the messages `before` if that fails, or is stopped before the first word.
Answer ChatSession::answer_or_restore(std::vector<ChatMessage> before, const OnPiece& on_piece) {
  try {
    Answer answer = answer_last(on_piece);
    if (answer.interrupted && answer.text.empty()) messages_ = std::move(before);
    return answer;
  } catch (...) {
    messages_ = std::move(before);
    throw;
  }
}

bool ChatSession::undo() {
  const std::vector<std::size_t> begins = turns_of(messages_);
  if (begins.empty()) return false;
  messages_.resize(begins.back());
  return true;
}

void ChatSession::reset() { messages_.resize(system_messages(messages_)); }

void ChatSession::set_system(const std::string& text) {
  std::vector<ChatMessage> changed;
  if (!text.empty()) changed.push_back({ChatRole::system, text});
  std::copy(messages_.begin() + static_cast<std::ptrdiff_t>(system_messages(messages_)), messages_.end(),
            std::back_inserter(changed));
  load(std::move(changed));
}

void ChatSession::load(std::vector<ChatMessage> messages) {
  // Throws before anything changes. A template may refuse system messages without a turn.
  if (!turns_of(messages).empty()) (void)template_.tokens(messages);
  messages_ = std::move(messages);
}

/// Returns the tokens of the context that are kept free for an answer.
Index ChatSession::room() const { return std::min(options_.max_tokens, std::max<Index>(1, context_ / 4)); }

/// Returns the tokens that the next answer follows.
ChatView ChatSession::prompt() const {
  ChatView view = fitting_turns(template_, messages_, true, context_, room());
  check(std::ssize(view.ids) <= context_,
        "the message takes {} together with the chat template and the system message, and the context has {}; "
        "shorten it",
        counted(std::ssize(view.ids), "token"), format_count(context_));
  return view;
}

ChatView ChatSession::tokens() const {
  if (messages_.empty()) return {};
  return fitting_turns(template_, messages_, false, context_, room());
}

/// Answers the last message, a user's.
Answer ChatSession::answer_last(const OnPiece& on_piece) {
  ChatView view = prompt();
  fit_context(view.ids, context_, model_.vocab_size);
  Answer answer{.dropped_turns = view.dropped_turns};
  draw(std::move(view.ids), answer, on_piece);
  messages_.push_back({ChatRole::assistant, answer.text});
  ++answers_;
  return answer;
}

/// Draws an answer that follows `tokens`.
void ChatSession::draw(std::vector<TokenId> tokens, Answer& answer, const OnPiece& on_piece) {
  TokenStream stream(tokenizer_, options_.stops, tokens.back(), Trim::yes);
  const auto add = [&](const std::string& piece) {
    answer.text += piece;
    return !on_piece || on_piece(piece);
  };
  DecodingEvents events;
  events.on_token = [&](const DecodedToken& drawn) {
    answer.ids.push_back(drawn.token);
    answer.log_probabilities.push_back(drawn.log_probability);
    answer.interrupted = !add(stream.push(drawn.token));
    return !answer.interrupted && !stream.stopped();
  };
  bool ended = false;
  events.on_end = [&](const DecodingEnd& end) {
    if (end.diverged) fail_diverged("the model's scores for the next token are not finite");
    answer.finish = end.finish;
    ended = true;
  };
  const Index size = std::ssize(tokens);
  const std::uint64_t fed_before = decoder_->counts().fed_tokens;
  const Decoder::Id id = decoder_->add({.prompt = std::move(tokens),
                                        .max_tokens = std::min(options_.max_tokens, context_ + 1 - size),
                                        .sampling = options_.sampling,
                                        .seed = options_.seed,
                                        .stream = answers_,
                                        .end_tokens = options_.end_tokens,
                                        .log_probabilities = LogProbabilities::of_model},
                                       std::move(events));
  while (!ended) {
    decoder_->step();
    if (ended || !answer.ids.empty() || !on_piece || on_piece({})) continue;  // within the prompt
    decoder_->remove(id);
    answer.finish = Finish::stop;
    answer.interrupted = ended = true;
  }
  answer.fed = static_cast<Index>(decoder_->counts().fed_tokens - fed_before);
  add(stream.finish());
}

}  // namespace kiln
