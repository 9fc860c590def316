// Composes each forward from single tokens of running sequences and parts of new prompts.
#include "kiln/infer/decoder.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/threads.h"
#include "kiln/infer/context.h"

#include "infer/cache_space.h"
#include "infer/distribution.h"
#include <algorithm>
#include <deque>
#include <exception>
#include <optional>
#include <utility>

namespace kiln {
namespace {

constexpr Index kDeterministicRows = 8;  // products of up to so many rows sum each row alike
constexpr Index kWorthWaiting = 8;       // tokens that need not be computed, for a step's delay
constexpr Index kLogitRows = 64;         // computed at a time

struct Request {
  Decoder::Id id;
  DecodingRequest wanted;
  DecodingEvents events;
};

/// A sequence that runs.
struct Running {
  Running(Request taken, CacheExtent& place)
      : request(std::move(taken)),
        extent(&place),
        rng(request.wanted.seed, "sampling", request.wanted.stream),
        sampler(request.wanted.sampling),
        tokens(place.tokens),
        prompt_size(std::ssize(place.tokens)),
        from_cache(place.cached) {}

  Request request;
  CacheExtent* extent;
  Rng rng;
  Sampler sampler;
  std::vector<TokenId> tokens;  // the prompt and what was drawn; its extent has the last of them
  Index prompt_size;
  Index from_cache;  // tokens of the prompt
  Index fed = 0;     // in the current forward

  Index drawn() const { return std::ssize(tokens) - prompt_size; }
  Index unfed() const { return std::ssize(extent->tokens) - extent->cached; }
};

}  // namespace

class Decoder::Implementation {
 public:
  Implementation(const ModelView& model, const DecoderOptions& options)
      : model_(model),
        options_(options),
        candidates_(options.candidates > 0 ? std::min(options.candidates, model.vocab_size) : model.vocab_size),
        most_rows_(options.deterministic ? kDeterministicRows : rounded_up_rows(options.most_rows)),
        space_(slots(), kCacheUnit, options.most_sequences == 1),
        runner_(model.make_runner({.rows = most_rows_, .slots = slots(), .slot_size = kCacheUnit})),
        logits_(std::min(kLogitRows, most_rows_), model.vocab_size) {}

  Index context() const { return std::min(model_.config.n_ctx, space_.positions()); }

  Id add(DecodingRequest request, DecodingEvents events) {
    const Index size = std::ssize(fit_context(request.prompt, std::ssize(request.prompt), model_.vocab_size));
    check(size <= context(), "the prompt has {}, and the context {}; shorten it", counted(size, "token"), context());
    check(request.max_tokens >= 0, "max_tokens is {}; it must be 0 or more", request.max_tokens);
    request.sampling.validate();
    for (const auto& [token, bias] : request.sampling.logit_bias) {
      check(token >= 0 && token < candidates_, "a bias for token {}, and ids reach from 0 to {}", token,
            candidates_ - 1);
    }
    waiting_.push_back({++last_id_, std::move(request), std::move(events)});
    return last_id_;
  }

  void remove(Id id) {
    if (std::erase_if(waiting_, [&](const Request& request) { return request.id == id; }) > 0) return;
    std::erase_if(running_, [&](Running& running) {
      if (running.request.id != id) return false;
      space_.release(*running.extent);
      return true;
    });
  }

  bool step() {
    begin_waiting();
    if (running_.empty()) return false;
    for (std::size_t next = 0; next < running_.size();) {
      next = compose(next);
      runner_->forward(model_.weights, rows_);
      ++counts_.steps;
      read_logits();
    }
    std::erase_if(running_, [](const Running& running) { return running.extent == nullptr; });
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return true;
  }

  Index running() const { return std::ssize(running_); }
  Index waiting() const { return std::ssize(waiting_); }
  const DecoderCounts& counts() const { return counts_; }

 private:
  /// A row of the forward whose logits are needed.
  struct Wanted {
    Index row;
    std::size_t running;          // index
    std::optional<TokenId> next;  // of the prompt, to be scored; none: a token is drawn
  };

  Index slots() const { return (options_.cache_positions + kCacheUnit - 1) / kCacheUnit; }

  /// Begins sequences in the order of their coming, while there is room. One that waits for a beginning lets others
  /// pass.
  void begin_waiting() {
    for (auto next = waiting_.begin(); next != waiting_.end() && running() < options_.most_sequences;) {
      const DecodingRequest& wanted = next->wanted;
      if (!wanted.scores_prompt && is_being_fed(wanted.prompt)) {
        ++next;
        continue;
      }
      const Index length = std::ssize(wanted.prompt);
      const Index positions = length + std::min(context() - length, wanted.max_tokens);
      const std::optional<CachePlace> place = space_.take(wanted.prompt, positions, !wanted.scores_prompt);
      if (!place) return;
      CacheExtent& extent = *place->extent;
      if (place->copied_from) runner_->copy_slot(*place->copied_from, extent.first, extent.cached);
      counts_.cached_tokens += static_cast<std::uint64_t>(extent.cached);
      running_.emplace_back(std::move(*next), extent);
      next = waiting_.erase(next);
    }
  }

  /// Returns whether a running sequence feeds the same beginning as the prompt's just now. The prompt then waits for
  /// that, and copies it.
  bool is_being_fed(std::span<const TokenId> prompt) const {
    const std::span<const TokenId> needed = prompt.first(prompt.size() - 1);
    return std::ranges::any_of(running_, [&](const Running& running) {
      if (running.unfed() <= 1) return false;
      const Index shared = std::ranges::mismatch(running.extent->tokens, needed).in2 - needed.begin();
      return shared >= running.extent->cached + kWorthWaiting;
    });
  }

  /// Lays out the next forward: a token of each sequence from `first` on that draws, then the prompts in the order of
  /// their coming, as far as there are rows, but a token of each at least. Returns the first sequence that has no row.
  std::size_t compose(std::size_t first) {
    rows_.clear();
    wanted_.clear();
    const std::size_t end = std::min(running_.size(), first + static_cast<std::size_t>(most_rows_));
    counts_.sequence_steps += end - first;
    Index left = most_rows_ - static_cast<Index>(end - first);  // beyond one token of each
    bool is_mixed = false;
    for (std::size_t i = first; i < end; ++i) {
      Running& running = running_[i];
      running.fed = 1 + std::min(running.unfed() - 1, left);
      left -= running.fed - 1;
      is_mixed |= running.fed > 1;
      append(running, i);
    }
    if (is_mixed && !options_.deterministic) rows_.round_up(kRowMultiple);
    return end;
  }

  /// Appends the tokens to feed, and names the rows whose logits are needed: those of a prompt to score, and the last.
  void append(Running& running, std::size_t index) {
    CacheExtent& extent = *running.extent;
    const Index first_row = rows_.size(), past = extent.cached;
    const std::span<const TokenId> all(extent.tokens);
    const auto tokens = all.subspan(static_cast<std::size_t>(past), static_cast<std::size_t>(running.fed));
    const Index apart = options_.deterministic ? 1 : running.fed;  // one query at a time, or all together
    for (Index t = 0; t < running.fed; t += apart) {
      rows_.append(tokens.subspan(static_cast<std::size_t>(t), static_cast<std::size_t>(apart)),
                   {.past = past + t, .slot = extent.first});
    }
    extent.cached += running.fed;
    for (Index t = 0; t < running.fed; ++t) {
      const Index position = past + t;
      const bool is_last = position + 1 == std::ssize(extent.tokens);
      const bool is_scored = running.request.wanted.scores_prompt && running.drawn() == 0;
      if (is_last) {
        wanted_.push_back({first_row + t, index, std::nullopt});
      } else if (is_scored) {
        wanted_.push_back({first_row + t, index, extent.tokens[static_cast<std::size_t>(position + 1)]});
      }
    }
    counts_.fed_tokens += static_cast<std::uint64_t>(running.fed);
    if (running.drawn() == 0) counts_.prompt_tokens += static_cast<std::uint64_t>(running.fed);
  }

  /// Reads rows side by side, then tells their owners one after the other.
  void read_logits() {
    std::vector<Index> rows;
    for (std::size_t begin = 0; begin < wanted_.size(); begin += rows.size()) {
      const auto some = std::span(wanted_).subspan(begin).first(
          std::min(wanted_.size() - begin, static_cast<std::size_t>(logits_.rows())));
      rows.clear();
      for (const Wanted& wanted : some) rows.push_back(wanted.row);
      const Mat<float> logits = mat(logits_.data(), std::ssize(rows), model_.vocab_size);
      runner_->logits(rows, logits);
      readings_.assign(rows.size(), {});
      parallel_each(std::ssize(rows), [&](Index n) {
        const auto i = static_cast<std::size_t>(n);
        readings_[i] = read(some[i], row(logits, n));
      });
      for (std::size_t i = 0; i < some.size(); ++i)
        tell(running_[some[i].running], some[i].next.has_value(), readings_[i]);
    }
  }

  /// What a row of logits says: the prompt's next token, or one drawn; none where no token is wanted.
  struct Reading {
    std::optional<DecodedToken> token;
    bool diverged = false;
  };

  /// Changes nothing but the sequence's random numbers and its sampler's memory.
  Reading read(const Wanted& place, float* logits) {
    Running& running = running_[place.running];
    if (running.extent == nullptr) return {};  // has ended in this step
    if (!ConstVec<float>(logits, candidates_).allFinite()) return {.token = {}, .diverged = true};
    const DecodingRequest& wanted = running.request.wanted;
    if (place.next) return {predicted(wanted, *place.next, logits)};
    if (wanted.max_tokens == 0) return {};
    std::vector<float> before;  // the sampler overwrites logits
    const bool is_scored = wanted.log_probabilities != LogProbabilities::none;
    if (is_scored) before.assign(logits, logits + model_.vocab_size);
    const auto size = std::min(std::ssize(running.tokens), model_.config.n_ctx);
    const std::span<const TokenId> window = std::span(running.tokens).last(static_cast<std::size_t>(size));
    const Index drawn = std::min(size, running.drawn());
    const TokenId token = running.sampler.pick(Vec<float>(logits, candidates_), window, running.rng, drawn);
    if (!is_scored) return {DecodedToken{.token = token, .top = {}}};
    return {predicted(wanted, token, before.data())};
  }

  /// Returns a token with what the logits say of it.
  DecodedToken predicted(const DecodingRequest& wanted, TokenId token, const float* logits) const {
    const bool is_scaled = wanted.log_probabilities == LogProbabilities::at_temperature;
    const Distribution distribution(ConstVec<float>(logits, model_.vocab_size),
                                    is_scaled ? wanted.sampling.temperature : 1);
    DecodedToken predicted{.token = token, .log_probability = -distribution.loss(token), .top = {}};
    std::vector<TokenId> order;
    if (wanted.top > 0) predicted.top = distribution.top(wanted.top, order);
    return predicted;
  }

  /// Tells the owner, and ends the sequence where it or the reading says so.
  void tell(Running& running, bool is_of_prompt, const Reading& reading) {
    if (running.extent == nullptr) return;
    try {
      if (reading.diverged) return end(running, {.diverged = true});
      if (is_of_prompt) {
        const DecodingEvents& events = running.request.events;
        if (events.on_prompt_token) events.on_prompt_token(*reading.token);
      } else if (const std::optional<Finish> finish = take(running, reading)) {
        end(running, {.finish = *finish});
      }
    } catch (...) {
      if (!error_) error_ = std::current_exception();
      if (running.extent != nullptr) space_.release(*std::exchange(running.extent, nullptr));
    }
  }

  /// Adds a drawn token. Returns why the sequence ends, if it does.
  std::optional<Finish> take(Running& running, const Reading& reading) {
    if (!reading.token) return Finish::length;
    const DecodingRequest& wanted = running.request.wanted;
    const auto& on_token = running.request.events.on_token;
    const TokenId token = reading.token->token;
    const bool is_end = std::ranges::find(wanted.end_tokens, token) != wanted.end_tokens.end();
    if (is_end && wanted.keeps_end && on_token) on_token(*reading.token);
    if (is_end) return Finish::end;
    running.tokens.push_back(token);
    running.extent->tokens.push_back(token);
    ++counts_.drawn_tokens;
    if (on_token && !on_token(*reading.token)) return Finish::stop;
    if (running.drawn() == wanted.max_tokens) return Finish::length;
    if (std::ssize(running.extent->tokens) <= context()) return std::nullopt;
    if (wanted.overflow == ContextOverflow::stop) return Finish::length;
    forget(*running.extent, wanted.overflow);
    return std::nullopt;
  }

  /// Drops the oldest tokens of a sequence that has filled the context; the others are fed again, from position 0 on.
  void forget(CacheExtent& extent, ContextOverflow overflow) const {
    const Index kept = overflow == ContextOverflow::recompute ? context() : std::max<Index>(1, context() / 2);
    extent.tokens.erase(extent.tokens.begin(), extent.tokens.end() - kept);
    extent.cached = 0;
  }

  void end(Running& running, DecodingEnd end) {
    end.cached = running.from_cache;
    space_.release(*std::exchange(running.extent, nullptr));
    if (running.request.events.on_end) running.request.events.on_end(end);
  }

  ModelView model_;
  DecoderOptions options_;
  Index candidates_;  // ids from this one on are not drawn
  Index most_rows_;
  CacheSpace space_;
  std::unique_ptr<Runner<float>> runner_;
  RowMajor<float> logits_;  // (rows at a time, V)
  std::deque<Request> waiting_;
  std::vector<Running> running_;  // in the order of their coming
  TokenRows rows_;
  std::vector<Wanted> wanted_;     // by row
  std::vector<Reading> readings_;  // of as many rows as the logits have
  std::exception_ptr error_;       // the first of an event in this step
  DecoderCounts counts_;
  Id last_id_ = 0;
};

void DecoderOptions::validate() const {
  check(cache_positions >= 1, "a cache of {} tokens; at least 1 is needed", cache_positions);
  check(most_sequences >= 1, "at most {} sequences at a time; at least 1 is needed", most_sequences);
  check(most_rows >= most_sequences, "{} for up to {}; a row of each is needed", counted(most_rows, "row"),
        counted(most_sequences, "sequence"));
}

Decoder::Decoder(const ModelView& model, const DecoderOptions& options) {
  options.validate();
  implementation_ = std::make_unique<Implementation>(model, options);
}

Decoder::~Decoder() = default;

Index Decoder::context() const { return implementation_->context(); }
Decoder::Id Decoder::add(DecodingRequest request, DecodingEvents events) {
  return implementation_->add(std::move(request), std::move(events));
}
void Decoder::remove(Id id) { implementation_->remove(id); }
bool Decoder::step() { return implementation_->step(); }
Index Decoder::running() const { return implementation_->running(); }
Index Decoder::waiting() const { return implementation_->waiting(); }
const DecoderCounts& Decoder::counts() const { return implementation_->counts(); }

}  // namespace kiln
