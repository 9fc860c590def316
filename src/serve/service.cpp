// Looks paths up in kRoutes, and turns errors into replies.
#include "kiln/serve/service.h"

#include "kiln/core/error.h"
#include "kiln/core/nearest.h"
#include "kiln/core/report.h"
#include "kiln/run/model_source.h"

#include <fmt/ranges.h>

#include "serve/api_error.h"
#include "serve/conversations.h"
#include "serve/feedback.h"
#include "serve/inspection.h"
#include "serve/pages.h"
#include "serve/ranking_task.h"
#include "serve/rater_tokens.h"
#include "serve/routes.h"
#include "serve/run_reader.h"
#include "serve/scorer.h"
#include "serve/stored_data.h"
#include <algorithm>
#include <exception>
#include <utility>

namespace kiln {
namespace {

/// Adds the headers of access to every reply.
class WithHeaders final : public HttpResponse {
 public:
  WithHeaders(std::shared_ptr<HttpResponse> response, HttpHeaders headers)
      : response_(std::move(response)), headers_(std::move(headers)) {}

  void send(HttpReply reply) override { response_->send(completed(std::move(reply))); }
  void begin(HttpReply head) override { response_->begin(completed(std::move(head))); }
  void write(std::string piece) override { response_->write(std::move(piece)); }
  void end() override { response_->end(); }
  void on_gone(std::function<void()> gone) override { response_->on_gone(std::move(gone)); }

 private:
  HttpReply completed(HttpReply reply) const {
    reply.headers.insert(reply.headers.end(), headers_.begin(), headers_.end());
    return reply;
  }

  std::shared_ptr<HttpResponse> response_;
  HttpHeaders headers_;
};

bool is_reading(const HttpRequest& request) { return request.method == "GET" || request.method == "HEAD"; }

/// Returns the method that a route has for a request: HEAD is answered as GET.
std::string_view method_of(const HttpRequest& request) {
  return is_reading(request) ? "GET" : std::string_view(request.method);
}

/// Returns who may use the path with this method, or else with another one, whose refusal tells nothing.
Audience audience_of(const HttpRequest& request) {
  const Route* found = nullptr;
  for (const Route& route : kRoutes) {
    if (route.path != request.path) continue;
    if (route.method == method_of(request)) return route.audience;
    if (found == nullptr) found = &route;
  }
  return found != nullptr ? found->audience : Audience::owner;
}

/// Returns the route of a request. Throws ApiError: 404, 405.
const Route& route_of(const HttpRequest& request) {
  std::vector<std::string_view> paths, methods;
  for (const Route& route : kRoutes) {
    paths.push_back(route.path);
    if (route.path != request.path) continue;
    if (route.method == method_of(request)) return route;
    methods.push_back(route.method);
  }
  if (!methods.empty()) {
    throw ApiError(405, fmt::format("{} takes {}, not {}", request.path, fmt::join(methods, ", "), request.method));
  }
  const std::string_view meant = nearest(request.path, paths);
  throw ApiError(404, fmt::format("there is nothing at {}{}", request.path,
                                  meant.empty() ? "" : fmt::format("; did you mean {}?", meant)));
}

}  // namespace

void RouteContext::send(const Json& json) const { response->send({.body = json.dump()}); }

HttpReply reply_of(const Json& json) { return {.body = json.dump(-1, ' ', false, Json::error_handler_t::replace)}; }

void send_or_refuse(const std::shared_ptr<HttpResponse>& response, const std::function<HttpReply()>& answer) {
  try {
    response->send(answer());
  } catch (const ApiError& error) {
    response->send(error.reply());
  } catch (const std::exception& error) {
    warn("{}", error.what());
    response->send(ApiError(500, error.what()).reply());
  }
}

Service::Service(Engine& engine, ServiceOptions options)
    : engine_(engine), options_(std::move(options)), inside_(std::make_unique<Inside>(engine)) {
  if (!options_.runs.empty()) runs_ = std::make_unique<RunReader>(options_.runs);
  if (options_.reward) scorer_ = std::make_unique<Scorer>(engine, options_.reward);
  if (options_.ranking) ranking_ = std::make_unique<RankingService>(*std::exchange(options_.ranking, std::nullopt));
  if (options_.data.empty()) return;
  make_private_folder(options_.data);
  if (ranking_) raters_ = std::make_unique<RaterTokens>(options_.data);
  conversations_ = std::make_unique<ConversationStore>(options_.data);
  feedback_ = std::make_unique<Feedback>(options_.data);
}

Service::~Service() = default;

void Service::handle(const HttpRequest& request, const std::shared_ptr<HttpResponse>& response) {
  const std::shared_ptr<HttpResponse> replies =
      std::make_shared<WithHeaders>(response, access_headers(request, options_.access));
  try {
    std::optional<HttpReply> page = is_reading(request) ? page_at(page_path(request.path)) : std::nullopt;
    const std::string_view bearer = bearer_of(request);
    const std::optional<std::string> rater = raters_ ? raters_->rater_of(bearer) : std::nullopt;
    const RaterToken token = rater                           ? RaterToken::valid
                             : RaterTokens::is_token(bearer) ? RaterToken::invalid
                                                             : RaterToken::none;
    const Audience audience = page ? Audience::anyone : audience_of(request);
    if (std::optional<HttpReply> refusal = refusal_of(request, options_.access, audience, token)) {
      return replies->send(std::move(*refusal));
    }
    if (page) return replies->send(std::move(*page));
    route_of(request).answer({*this, engine_, request, replies, rater});
  } catch (const ApiError& error) {
    replies->send(error.reply());
  } catch (const std::exception& error) {
    warn("{} {}: {}", request.method, request.path, error.what());
    replies->send(ApiError(500, error.what()).reply());
  }
}

/// Returns the path of a page; "/" is the first one that the server has something for.
std::string_view Service::page_path(std::string_view path) const {
  if (path != "/" || !engine_.models().empty()) return path;
  return ranking_ && !runs_ ? "/rank" : "/runs";
}

RankingService& Service::ranking() const {
  if (!ranking_) {
    throw ApiError(404,
                   "this server has no answers to rank; start it with --rank answers.jsonl --rankings rankings.jsonl");
  }
  return *ranking_;
}

RaterTokens& Service::raters() const {
  ranking();
  if (!raters_) throw ApiError(404, "this server keeps no links for raters; start it with --data DIR");
  return *raters_;
}

ConversationStore& Service::conversations() const {
  if (!conversations_) throw ApiError(404, "this server keeps no conversations; start it with --data DIR");
  return *conversations_;
}

Feedback& Service::feedback() const {
  if (!feedback_) throw ApiError(404, "this server keeps no feedback; start it with --data DIR");
  return *feedback_;
}

Scorer& Service::scorer() const {
  if (!scorer_) throw ApiError(404, "this server has no reward model; name one: kiln serve --reward RUN");
  return *scorer_;
}

std::vector<std::string> Service::reload() {
  const std::lock_guard lock(reloading_);
  std::vector<std::string> names;
  for (const Engine::Model& model : engine_.models()) {
    if (find_model_folder(model->choice().run, model->choice().checkpoint) == model->folder()) continue;
    engine_.replace(std::make_shared<const ServedModel>(model->choice()));
    names.push_back(model->name());
  }
  return names;
}

}  // namespace kiln
