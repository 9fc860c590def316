// Computes an action in two pieces: the gradient where it leads to, then what the model predicts there.
#include "serve/step_sessions.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/infer/inspector.h"
#include "kiln/train/descent.h"

#include <nlohmann/json.hpp>

#include "serve/api_error.h"
#include "serve/inspection_json.h"
#include "serve/prompt_tokens.h"
#include <cmath>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr int kNormDigits = 6, kLossDigits = 8;

std::string new_session_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

/// Returns what is said of a session that is not there.
ApiError no_session(const std::string& id) {
  return {
      404,
      fmt::format("there is no session {}: another one has begun, or it was not used for {} minutes; begin one with "
                  "a text",
                  id, StepSessions::kIdle.count()),
      "session"};
}

/// Returns the tokens of a text with its target.
std::vector<TokenId> tokens_with_target(const ServedModel& model, const StepRequest& request, Index& first) {
  std::vector<TokenId> tokens = experiment_tokens(model, request.input);
  const std::vector<TokenId> target = encoded("target", [&] { return model.tokenizer().encode(request.target); });
  first = target.empty() ? std::ssize(tokens) - 1 : std::ssize(tokens);
  tokens.insert(tokens.end(), target.begin(), target.end());
  if (first < 1) throw ApiError(400, "text: it has one token alone; name a target, or add a token to the text", "text");
  return experiment_tokens(model, tokens);
}

Json tensors_json(const ParameterLayout& layout) {
  Json tensors = Json::array();
  for (const Parameter& p : layout.parameters()) {
    tensors.push_back(
        {{"name", p.name}, {"layer", p.key.layer == kNoLayer ? Json() : Json(p.key.layer)}, {"elements", p.size()}});
  }
  return tensors;
}

Json gradient_json(const Descent& descent) {
  Json tensors = Json::array();
  double gradient = 0, weights = 0;  // sums of squares
  for (const TensorNorms& norms : descent.norms()) {
    gradient += norms.gradient * norms.gradient;
    weights += norms.weights * norms.weights;
    tensors.push_back({significant_json(norms.gradient, kNormDigits), significant_json(norms.weights, kNormDigits)});
  }
  return {{"norm", significant_json(std::sqrt(gradient), kNormDigits)},
          {"weights", significant_json(std::sqrt(weights), kNormDigits)},
          {"tensors", std::move(tensors)}};
}

}  // namespace

/// A text, and the descent on its loss. Of the computing thread, except for the id.
class StepSessions::Session {
 public:
  Session(InspectedModel model, const StepRequest& request)
      : id_(new_session_id()),
        model_(std::move(model)),
        top_(request.top),
        tokens_(tokens_with_target(*model_.served, request, first_)),
        batch_(batch_of_text(tokens_, request.scores_all ? 1 : first_)) {
    const std::size_t least = Descent::least_bytes(model_.view(), batch_);
    if (least <= kMostBytes) return;
    throw ApiError(400,
                   fmt::format("a step of {} on this text takes {} of memory, and {} are allowed; choose a smaller "
                               "model, or shorten the text",
                               model_.served->name(), format_bytes(static_cast<double>(least)),
                               format_bytes(static_cast<double>(kMostBytes))),
                   "model");
  }

  const std::string& id() const { return id_; }

  /// Throws ApiError (400, 404), Error.
  void act(const StepRequest& request) {
    if (request.action == StepAction::begin) {
      descent_.emplace(model_.view(), std::move(batch_), kMostBytes);
      return;
    }
    if (!descent_) throw no_session(id_);
    if (request.action == StepAction::step) descent_->step(request.rate);
    if (request.action == StepAction::reset) descent_->reset();
    if (request.action == StepAction::undo && !descent_->undo()) {
      throw ApiError(400, "action: there is no step to take back, or its weights are not kept; reset to begin again",
                     "action");
    }
  }

  /// Returns where the session is, of its beginning also what does not change.
  Json reply(StepAction action) {
    Json reply = {{"object", "gradient_step"}, {"session", id_}};
    if (action == StepAction::begin) {
      reply.update(model_.description());
      reply["tokens"] = Json::array();
      for (const TokenId token : tokens_) reply["tokens"].push_back(token_json(tokenizer(), token));
      reply["first"] = first_;
      reply["n_layers"] = model_.served->config().n_layers;
      reply["tensors"] = tensors_json(descent_->weights().layout());
    }
    reply["state"] = state_json();
    return reply;
  }

 private:
  const Tokenizer& tokenizer() const { return model_.served->tokenizer(); }

  Json state_json() {
    const ModelView view = model_.view();
    Inspector inspector({view.config, view.vocab_size, Precision::fp32, Weights(descent_->weights())}, tokens_, false);
    const std::vector<Forecast> forecasts = inspector.forecasts(first_ - 1, std::ssize(tokens_) - first_, top_);
    Json targets = Json::array(), top = Json::array();
    for (const Forecast& forecast : forecasts) {
      Json target = token_json(tokenizer(), forecast.next->token);
      target["probability"] = significant_json(forecast.next->probability, kLossDigits);
      target["rank"] = forecast.next->rank;
      target["loss"] = significant_json(forecast.next->loss, kLossDigits);
      targets.push_back(std::move(target));
    }
    for (const TokenProbability& likely : forecasts.front().top) {
      Json token = token_json(tokenizer(), likely.token);
      token["probability"] = significant_json(likely.probability, kLossDigits);
      top.push_back(std::move(token));
    }
    return {{"steps", descent_->steps()},
            {"undoable", descent_->undoable()},
            {"loss", significant_json(descent_->loss(), kLossDigits)},
            {"targets", std::move(targets)},
            {"top", std::move(top)},
            {"gradient", gradient_json(*descent_)}};
  }

  std::string id_;
  InspectedModel model_;
  Index top_;
  Index first_ = 0;  // token of the target
  std::vector<TokenId> tokens_;
  Batch batch_;
  std::optional<Descent> descent_;
};

StepSessions::StepSessions(PiecewiseWork& work, std::chrono::milliseconds idle)
    : work_(work), idle_(idle), thread_([this] { end_idle(); }) {}

StepSessions::~StepSessions() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
    news_.notify_all();
  }
  thread_.join();
}

void StepSessions::begin(const InspectedModel& model, const StepRequest& request,
                         std::shared_ptr<HttpResponse> response) {
  const auto session = std::make_shared<Session>(model, request);
  {
    const std::lock_guard lock(mutex_);
    session_ = session;
    used_ = std::chrono::steady_clock::now();
    news_.notify_all();
  }
  queue(session, request, std::move(response));
}

void StepSessions::act(const StepRequest& request, const std::shared_ptr<HttpResponse>& response) {
  std::shared_ptr<Session> session;
  {
    const std::lock_guard lock(mutex_);
    if (!session_ || session_->id() != request.session) throw no_session(request.session);
    session = session_;
    used_ = std::chrono::steady_clock::now();
    if (request.action == StepAction::end) session_.reset();
  }
  if (request.action == StepAction::end) {
    return response->send({.body = Json({{"object", "gradient_step"}, {"session", nullptr}}).dump()});
  }
  queue(session, request, response);
}

void StepSessions::queue(const std::shared_ptr<Session>& session, const StepRequest& request,
                         std::shared_ptr<HttpResponse> response) {
  work_.add([session, request, response = std::move(response), has_acted = false]() mutable {
    try {
      if (!has_acted) {
        session->act(request);
        has_acted = true;
        return true;
      }
      const Json reply = session->reply(request.action);
      response->send({.body = reply.dump(-1, ' ', false, Json::error_handler_t::replace)});
    } catch (const ApiError& error) {
      response->send(error.reply());
    } catch (const Error& error) {
      const bool is_asked_too_much = error.code() == ExitCode::usage || error.code() == ExitCode::diverged;
      response->send(ApiError(is_asked_too_much ? 400 : 500, error.what()).reply());
    } catch (const std::exception& error) {
      response->send(ApiError(500, error.what()).reply());
    }
    return false;
  });
}

bool StepSessions::has_session() const {
  const std::lock_guard lock(mutex_);
  return session_ != nullptr;
}

void StepSessions::end_idle() {
  std::unique_lock lock(mutex_);
  while (!stops_) {
    if (!session_) {
      news_.wait(lock);
    } else if (std::chrono::steady_clock::now() >= used_ + idle_) {
      std::shared_ptr<Session> ended = std::exchange(session_, nullptr);
      lock.unlock();
      ended.reset();  // frees its memory, which takes a while
      lock.lock();
    } else {
      news_.wait_until(lock, used_ + idle_);
    }
  }
}

}  // namespace kiln
