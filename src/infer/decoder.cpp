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

constexpr Index kSlotPositions = 16;      // the unit of room in the cache
constexpr Index kDeterministicRows = 64;  // of every forward
constexpr Index kWorthWaiting = 8;        // tokens that need not be computed, for a step's delay
constexpr Index kLogitRows = 64;          // computed at a time
constexpr Index kLogitRowsOfFewSums = 8;  // products of up to so many rows sum each row alike

struct Request {
  Decoder::Id id;
  DecodingRequest wanted;
  DecodingEvents events;
};

/// A sequence that runs. Its tokens are those of its extent.
struct Running {
  Running(Request taken, CacheExtent& place)
      : request(std::move(taken)),
        extent(&place),
        rng(request.wanted.seed, "sampling", request.wanted.stream),
        sampler(request.wanted.sampling),
        prompt_size(std::ssize(place.tokens)),
        from_cache(place.cached) {}

  Request request;
  CacheExtent* extent;
  Rng rng;
  Sampler sampler;
  Index prompt_size;
  Index from_cache;  // tokens of the prompt
  Index fed = 0;     // in the current forward

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
        space_(slots(), kSlotPositions),
        runner_(model.make_runner({.rows = most_rows_, .slots = slots(), .slot_size = kSlotPositions})),
        logits_(std::min(logit_rows(), most_rows_), model.vocab_size) {}

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
    compose();
    runner_->forward(model_.weights, rows_);
    ++counts_.steps;
    counts_.sequence_steps += running_.size();
    read_logits();
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
    std::size_t running;  // index
    Index position;       // in the sequence
  };

  Index slots() const { return (options_.cache_positions + kSlotPositions - 1) / kSlotPositions; }
  Index logit_rows() const { return options_.deterministic ? kLogitRowsOfFewSums : kLogitRows; }
  Index most_sequences() const { return std::min(options_.most_sequences, most_rows_); }

  void begin_waiting() {
    while (!waiting_.empty() && running() < most_sequences()) {
      const DecodingRequest& wanted = waiting_.front().wanted;
      if (!wanted.scores_prompt && is_being_fed(wanted.prompt)) return;
      const Index positions = std::min(context(), std::ssize(wanted.prompt) + wanted.max_tokens);
      const std::optional<CachePlace> place = space_.take(wanted.prompt, positions, !wanted.scores_prompt);
      if (!place) return;
      CacheExtent& extent = *place->extent;
      if (place->copied_from) runner_->copy_slot(*place->copied_from, extent.first, extent.cached);
      counts_.cached_tokens += static_cast<std::uint64_t>(extent.cached);
      running_.emplace_back(std::move(waiting_.front()), extent);
      waiting_.pop_front();
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

  /// Lays out the next forward: a token of each sequence that draws, then the prompts in the order of their coming, as
  /// far as there are rows, but a token of each at least.
  void compose() {
    rows_.clear();
    wanted_.clear();
    Index left = most_rows_ - running();  // beyond one token of each
    bool is_mixed = false;
    for (std::size_t i = 0; i < running_.size(); ++i) {
      Running& running = running_[i];
      running.fed = 1 + std::min(running.unfed() - 1, left);
      left -= running.fed - 1;
      is_mixed |= running.fed > 1;
      append(running, i);
    }
    if (options_.deterministic || is_mixed) rows_.round_up(kRowMultiple);
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
      const bool is_scored = running.request.wanted.scores_prompt && position + 1 < running.prompt_size;
      if (is_last || is_scored) wanted_.push_back({first_row + t, index, position});
    }
    counts_.fed_tokens += static_cast<std::uint64_t>(running.fed);
    if (past < running.prompt_size) counts_.prompt_tokens += static_cast<std::uint64_t>(running.fed);
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
      for (std::size_t i = 0; i < some.size(); ++i) tell(running_[some[i].running], some[i].position, readings_[i]);
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
    const std::vector<TokenId>& tokens = running.extent->tokens;
    if (place.position + 1 < running.prompt_size) {
      return {predicted(wanted, tokens[static_cast<std::size_t>(place.position + 1)], logits)};
    }
    if (wanted.max_tokens == 0) return {};
    std::vector<float> before;  // the sampler overwrites logits
    if (wanted.log_probabilities) before.assign(logits, logits + model_.vocab_size);
    const Index drawn = std::ssize(tokens) - running.prompt_size;
    const TokenId token = running.sampler.pick(Vec<float>(logits, candidates_), tokens, running.rng, drawn);
    if (!wanted.log_probabilities) return {DecodedToken{.token = token, .top = {}}};
    return {predicted(wanted, token, before.data())};
  }

  /// Returns a token with what the logits say of it.
  DecodedToken predicted(const DecodingRequest& wanted, TokenId token, const float* logits) const {
    const Distribution distribution(ConstVec<float>(logits, model_.vocab_size));
    DecodedToken predicted{.token = token, .log_probability = -distribution.loss(token), .top = {}};
    std::vector<TokenId> order;
    if (wanted.top > 0) predicted.top = distribution.top(wanted.top, order);
    return predicted;
  }

  /// Tells the owner, and ends the sequence where it or the reading says so.
  void tell(Running& running, Index position, const Reading& reading) {
    if (running.extent == nullptr) return;
    try {
      if (reading.diverged) return end(running, {.diverged = true});
      if (position + 1 < running.prompt_size) {
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
    const TokenId token = reading.token->token;
    if (std::ranges::find(wanted.end_tokens, token) != wanted.end_tokens.end()) return Finish::end;
    std::vector<TokenId>& tokens = running.extent->tokens;
    tokens.push_back(token);
    ++counts_.drawn_tokens;
    if (running.request.events.on_token && !running.request.events.on_token(*reading.token)) return Finish::stop;
    const bool is_full =
        std::ssize(tokens) - running.prompt_size == wanted.max_tokens || std::ssize(tokens) > context();
    return is_full ? std::optional(Finish::length) : std::nullopt;
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
  check(most_rows >= most_sequences, "{} rows for up to {} sequences; a row of each is needed", most_rows,
        most_sequences);
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
