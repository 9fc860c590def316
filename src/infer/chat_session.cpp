// Renders the whole conversation for each answer; the cache makes that cheap.
#include "kiln/infer/chat_session.h"

#include "kiln/core/error.h"
#include "kiln/infer/context.h"

#include "infer/token_drawer.h"
#include "infer/token_stream.h"
#include <algorithm>
#include <iterator>
#include <utility>

namespace kiln {
namespace {

constexpr Index kPromptRows = 256;  // of a prompt, fed in one forward: an answer can be stopped between two

/// Drops the white space at the ends of a text that comes in pieces.
class TrimmedText {
 public:
  /// Returns what has become certain: nothing before the first word, and no white space until a word follows it.
  std::string push(std::string_view piece) {
    held_ += piece;
    const std::string_view words = trim_content(held_);
    if (words.empty()) return {};
    const auto end = static_cast<std::size_t>(words.data() - held_.data()) + words.size();
    std::string text = begun_ ? held_.substr(0, end) : std::string(words);
    begun_ = true;
    held_.erase(0, end);
    return text;
  }

 private:
  std::string held_;
  bool begun_ = false;
};

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
      context_(context_of(model, options_.context)),
      logits_(static_cast<std::size_t>(model.vocab_size)) {
  options_.validate();
  options_.end_tokens.push_back(template_.end_of_turn());
  drawer_ = std::make_unique<TokenDrawer>(options_.sampling, std::min<Index>(model.vocab_size, tokenizer.vocab_size()),
                                          LogProbabilities::of_model);
  runner_ = model_.make_runner({.rows = std::min(context_, kPromptRows), .slots = 1, .slot_size = context_});
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
  const std::vector<std::size_t> begins = turns();
  if (begins.empty()) return false;
  messages_.resize(begins.back());
  return true;
}

void ChatSession::reset() { messages_.resize(head()); }

void ChatSession::set_system(const std::string& text) {
  std::vector<ChatMessage> changed;
  if (!text.empty()) changed.push_back({ChatRole::system, text});
  std::copy(messages_.begin() + static_cast<std::ptrdiff_t>(head()), messages_.end(), std::back_inserter(changed));
  load(std::move(changed));
}

void ChatSession::load(std::vector<ChatMessage> messages) {
  (void)template_.tokens(messages);  // throws before anything changes
  messages_ = std::move(messages);
}

/// Returns the number of system messages before the first turn.
std::size_t ChatSession::head() const {
  const auto other = std::ranges::find_if(messages_, [](const auto& m) { return m.role != ChatRole::system; });
  return static_cast<std::size_t>(other - messages_.begin());
}

/// Returns the first message of each turn. The first turn may begin with an answer, to a message that is not known.
std::vector<std::size_t> ChatSession::turns() const {
  std::vector<std::size_t> begins;
  for (std::size_t i = head(); i < messages_.size(); ++i) {
    if (begins.empty() || messages_[i].role == ChatRole::user) begins.push_back(i);
  }
  return begins;
}

/// Returns the tokens without as many of the oldest turns as `most` tokens demand. The last turn always stays.
template <class TokensOf>
ChatView ChatSession::without_oldest_turns(Index most, const TokensOf& tokens_of) const {
  const std::vector<std::size_t> begins = turns();
  const auto view = [&](Index dropped) {
    std::vector<ChatMessage> kept(messages_.begin(), messages_.begin() + static_cast<std::ptrdiff_t>(head()));
    const std::size_t begin = begins.empty() ? messages_.size() : begins[static_cast<std::size_t>(dropped)];
    kept.insert(kept.end(), messages_.begin() + static_cast<std::ptrdiff_t>(begin), messages_.end());
    return ChatView{.ids = tokens_of(kept), .dropped_turns = dropped};
  };
  ChatView fitting = view(0);
  if (std::ssize(fitting.ids) <= most || begins.size() < 2) return fitting;
  Index too_few = 0, enough = std::ssize(begins) - 1;
  fitting = view(enough);
  while (enough - too_few > 1) {  // the fewer turns, the fewer tokens
    const Index middle = (too_few + enough) / 2;
    ChatView half = view(middle);
    if (std::ssize(half.ids) <= most) {
      enough = middle;
      fitting = std::move(half);
    } else {
      too_few = middle;
    }
  }
  return fitting;
}

/// Returns the tokens that the next answer follows.
ChatView ChatSession::prompt() const {
  const Index room = std::min(options_.max_tokens, std::max<Index>(1, context_ / 4));
  ChatView view = without_oldest_turns(context_ - room, [&](const auto& kept) { return template_.prompt(kept); });
  check(std::ssize(view.ids) <= context_,
        "the message takes {} tokens together with the chat template and the system message, and the context has {}; "
        "shorten it",
        view.ids.size(), context_);
  return view;
}

ChatView ChatSession::tokens() const {
  if (messages_.empty()) return {};
  return without_oldest_turns(context_, [&](const auto& kept) { return template_.tokens(kept).ids; });
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
  Rng rng(options_.seed, "sampling", answers_);
  TokenStream stream(tokenizer_, options_.stops, tokens.back());
  TrimmedText trimmed;
  const auto add = [&](std::string_view piece) {
    const std::string text = trimmed.push(piece);
    answer.text += text;
    return !on_piece || on_piece(text);
  };
  const auto next = [&]() -> std::optional<Finish> {
    answer.interrupted = !feed(tokens, on_piece, answer.fed);
    if (answer.interrupted) return Finish::stop;
    const auto [token, log_probability] = drawer_->draw(Vec<float>(logits_.data(), std::ssize(logits_)), tokens, rng);
    if (std::ranges::find(options_.end_tokens, token) != options_.end_tokens.end()) return Finish::end;
    tokens.push_back(token);
    answer.ids.push_back(token);
    answer.log_probabilities.push_back(log_probability);
    answer.interrupted = !add(stream.push(token));
    if (answer.interrupted || stream.stopped()) return Finish::stop;
    const bool is_full = std::ssize(answer.ids) == options_.max_tokens || std::ssize(tokens) > context_;
    return is_full ? std::optional(Finish::length) : std::nullopt;
  };
  std::optional<Finish> finish;
  while (!finish) finish = next();
  answer.finish = *finish;
  add(stream.finish());
}

/// Feeds the tokens that are not in the cache, and writes the logits after the last one. Returns false if the callback
/// stopped it.
bool ChatSession::feed(std::span<const TokenId> tokens, const OnPiece& on_piece, Index& fed) {
  const auto same = std::ranges::mismatch(cached_, tokens.first(tokens.size() - 1));
  cached_.erase(same.in1, cached_.end());
  TokenRows rows;
  for (bool is_first = true; cached_.size() < tokens.size(); is_first = false) {
    if (!is_first && on_piece && !on_piece({})) return false;
    const auto past = cached_.size();
    const auto part = tokens.subspan(past, std::min(tokens.size() - past, static_cast<std::size_t>(kPromptRows)));
    rows.clear();
    rows.append(part, {.past = static_cast<Index>(past)});
    runner_->forward(model_.weights, rows);
    cached_.insert(cached_.end(), part.begin(), part.end());
    fed += std::ssize(part);
  }
  const Index last = rows.size() - 1;
  runner_->logits({&last, 1}, mat(logits_.data(), 1, std::ssize(logits_)));
  return true;
}

}  // namespace kiln
