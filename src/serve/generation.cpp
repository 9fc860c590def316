// Collects the tokens of each answer as text, and sends it piece by piece or whole.
#include "serve/generation.h"

#include "kiln/core/error.h"
#include "kiln/core/hash.h"
#include "kiln/infer/token_stream.h"
#include "kiln/infer/turns.h"

#include "serve/api_error.h"
#include "serve/generation_reply.h"
#include "serve/prompt_tokens.h"
#include <algorithm>
#include <chrono>
#include <limits>
#include <mutex>
#include <random>
#include <utility>

namespace kiln {
namespace {

constexpr std::string_view kDroppedTurns = "Kiln-Dropped-Turns";

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// A prompt of a request: its tokens, and its text if the reply repeats it.
struct EncodedPrompt {
  std::vector<TokenId> tokens;
  std::string text;
};

/// Returns the prompt of a chat, without the oldest turns if they are too many and the request says so.
ChatView chat_prompt(const ServedModel& model, const GenerationRequest& request, Index context) {
  return encoded("messages", [&] {
    if (!request.drops_oldest_turns) return ChatView{.ids = model.chat().prompt(request.messages)};
    const Index room = std::min(request.max_tokens.value_or(context), std::max<Index>(1, context / 4));
    return fitting_turns(model.chat(), request.messages, true, context, room);
  });
}

EncodedPrompt completion_prompt(const ServedModel& model, const PromptInput& input, bool echo) {
  EncodedPrompt prompt{prompt_tokens(model, input, "prompt"), {}};
  const auto* text = std::get_if<std::string>(&input);
  if (text != nullptr) prompt.text = *text;
  if (text == nullptr && echo) prompt.text = model.tokenizer().decode(prompt.tokens, SpecialText::meaning);
  return prompt;
}

/// One answer in progress.
struct Choice {
  Choice(TokenStream text, bool keeps_tokens) : stream(std::move(text)), has_tokens(keeps_tokens) {}

  TokenStream stream;
  bool has_tokens;         // the reply lists them
  AnswerPiece fresh = {};  // not sent yet
  std::string_view finish_reason = {};
  Engine::Ticket ticket = 0;
};

/// A request in progress. Events come from the computing thread, the client's going from another.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(Engine& engine, Engine::Model model, const GenerationRequest& request,
             std::shared_ptr<HttpResponse> response)
      : engine_(engine),
        model_(std::move(model)),
        request_(request),
        response_(std::move(response)),
        reply_(request.is_chat, fmt::format("{:016x}", random_number()), now(), model_->name(),
               request.log_probabilities, model_->tokenizer()) {}

  void begin() {
    if (!model_->fingerprint().empty()) headers_.emplace_back("Kiln-Checkpoint", model_->fingerprint());
    if (request_.is_chat) headers_.emplace_back("Kiln-Template", hex(model_->chat().hash()));
    const std::vector<EncodedPrompt> prompts = encode_prompts();
    const std::uint64_t seed = request_.seed ? *request_.seed : random_number();
    const std::lock_guard lock(mutex_);  // events wait until the reply has begun
    try {
      for (const EncodedPrompt& prompt : prompts) {
        for (Index k = 0; k < request_.n; ++k) submit(prompt, seed, static_cast<std::uint64_t>(k));
      }
    } catch (...) {
      cancel();
      throw;
    }
    if (request_.stream) begin_stream();
    const std::weak_ptr<Generation> self = weak_from_this();
    response_->on_gone([self] {
      if (const auto generation = self.lock()) generation->cancel();
    });
  }

 private:
  std::vector<EncodedPrompt> encode_prompts() {
    const Index context = engine_.context(*model_);
    for (const auto& [token, bias] : request_.sampling.logit_bias) {
      if (token < model_->tokenizer().vocab_size()) continue;
      throw ApiError(400, fmt::format("token {} is not in the vocabulary", token), "logit_bias");
    }
    std::vector<EncodedPrompt> prompts;
    if (request_.is_chat) {
      ChatView view = chat_prompt(*model_, request_, context);
      if (view.dropped_turns > 0) headers_.emplace_back(kDroppedTurns, std::to_string(view.dropped_turns));
      prompts.push_back({std::move(view.ids), {}});
    }
    for (const PromptInput& input : request_.prompts) {
      prompts.push_back(completion_prompt(*model_, input, request_.echo));
    }
    for (const EncodedPrompt& prompt : prompts) {
      check_fits(std::ssize(prompt.tokens), context);
      usage_.prompt += std::ssize(prompt.tokens);
    }
    return prompts;
  }

  DecodingRequest decoding_request(const EncodedPrompt& prompt, std::uint64_t seed, std::uint64_t stream) const {
    std::vector<TokenId> ends;
    if (!request_.ignores_ends) ends = model_->ids().ends;
    if (request_.is_chat && !request_.ignores_ends) ends.push_back(model_->chat().end_of_turn());
    return {.prompt = prompt.tokens,
            .max_tokens = request_.max_tokens.value_or(std::numeric_limits<std::int32_t>::max()),
            .sampling = request_.sampling,
            .seed = seed,
            .stream = stream,
            .end_tokens = std::move(ends),
            .log_probabilities = request_.log_probabilities ? LogProbabilities::of_model : LogProbabilities::none,
            .top = request_.top,
            .scores_prompt = request_.echo && request_.log_probabilities};
  }

  void submit(const EncodedPrompt& prompt, std::uint64_t seed, std::uint64_t stream) {
    std::vector<std::string> stops = request_.stops;
    // A model that was not trained on conversations writes the user's next message too.
    const bool is_plain = request_.is_chat && model_->chat().kind() == ChatTemplateKind::plain;
    if (is_plain) stops.emplace_back("\nUser:");
    const Trim trim = request_.is_chat ? Trim::yes : Trim::no;
    Choice& choice = choices_.emplace_back(
        TokenStream(model_->tokenizer(), std::move(stops), prompt.tokens.back(), trim), request_.log_probabilities);
    if (request_.echo) {
      choice.fresh.text = prompt.text;
      const DecodedToken first{
          .token = prompt.tokens.front(), .log_probability = std::numeric_limits<double>::quiet_NaN(), .top = {}};
      if (choice.has_tokens) choice.fresh.tokens.push_back(first);
    }
    const std::size_t index = choices_.size() - 1;
    const auto self = shared_from_this();
    DecodingEvents events;
    events.on_prompt_token = [self, index](const DecodedToken& token) { self->add_prompt_token(index, token); };
    events.on_token = [self, index](const DecodedToken& token) { return self->add(index, token); };
    events.on_end = [self, index](const DecodingEnd& end) { self->end(index, end); };
    choice.ticket = engine_.submit(model_, decoding_request(prompt, seed, stream), std::move(events));
  }

  void begin_stream() {
    headers_.emplace_back("Cache-Control", "no-cache");
    std::string first;
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      if (request_.is_chat) first += reply_.begin(static_cast<Index>(i));
    }
    response_->begin({.content_type = "text/event-stream", .body = std::move(first), .headers = headers_});
  }

  void add_prompt_token(std::size_t index, const DecodedToken& token) {
    const std::lock_guard lock(mutex_);
    choices_[index].fresh.tokens.push_back(token);
  }

  bool add(std::size_t index, const DecodedToken& token) {
    const std::lock_guard lock(mutex_);
    Choice& choice = choices_[index];
    ++usage_.drawn;
    const std::string text = choice.stream.push(token.token);
    if (choice.has_tokens && (!choice.stream.stopped() || !text.empty())) choice.fresh.tokens.push_back(token);
    choice.fresh.text += text;
    if (request_.stream && !choice.fresh.text.empty()) send_fresh(index);
    return !choice.stream.stopped();
  }

  void end(std::size_t index, const DecodingEnd& end) {
    const std::lock_guard lock(mutex_);
    Choice& choice = choices_[index];
    usage_.cached += end.cached;
    if (end.diverged)
      return fail(
          "the model's scores for the next token are not finite; take an earlier checkpoint, or copy or download the "
          "model again");
    choice.fresh.text += choice.stream.finish();
    choice.finish_reason = end.finish == Finish::length ? "length" : "stop";
    ++ended_;
    if (request_.stream) {
      if (!choice.fresh.text.empty() || !choice.fresh.tokens.empty()) send_fresh(index);
      response_->write(reply_.end(static_cast<Index>(index), choice.finish_reason));
    }
    if (ended_ < choices_.size() || failed_) return;
    if (request_.stream) return end_stream();
    std::vector<FinishedAnswer> answers;
    for (Choice& done : choices_) answers.push_back({std::move(done.fresh), done.finish_reason});
    response_->send({.body = reply_.whole(answers, usage_).dump(), .headers = headers_});
  }

  void end_stream() {
    if (request_.include_usage) response_->write(reply_.usage(usage_));
    response_->write(GenerationReply::done());
    response_->end();
  }

  void send_fresh(std::size_t index) {
    Choice& choice = choices_[index];
    response_->write(reply_.piece(static_cast<Index>(index), std::exchange(choice.fresh, {})));
  }

  /// Ends the request with an error: as an event if the stream has begun.
  void fail(const std::string& message) {
    if (std::exchange(failed_, true)) return;
    const ApiError error(500, message);
    if (request_.stream) {
      response_->write("data: " + error.json().dump() + "\n\n");
      response_->end();
    } else {
      response_->send(error.reply());
    }
    cancel();
  }

  void cancel() {
    for (const Choice& choice : choices_) engine_.cancel(choice.ticket);
  }

  Engine& engine_;
  Engine::Model model_;
  GenerationRequest request_;
  std::shared_ptr<HttpResponse> response_;
  HttpHeaders headers_;
  std::mutex mutex_;  // of what follows
  GenerationReply reply_;
  std::vector<Choice> choices_;
  TokenUsage usage_;
  std::size_t ended_ = 0;
  bool failed_ = false;
};

}  // namespace

void begin_generation(Engine& engine, const GenerationRequest& request, std::shared_ptr<HttpResponse> response) {
  std::make_shared<Generation>(engine, engine.model(request.model), request, std::move(response))->begin();
}

}  // namespace kiln
