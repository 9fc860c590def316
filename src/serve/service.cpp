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

/// Returns the route of a request. HEAD is answered as GET. Throws ApiError: 404, 405.
const Route& route_of(const HttpRequest& request) {
  const std::string_view method = is_reading(request) ? "GET" : std::string_view(request.method);
  std::vector<std::string_view> paths, methods;
  for (const Route& route : kRoutes) {
    paths.push_back(route.path);
    if (route.path != request.path) continue;
    if (route.method == method) return route;
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

Service::Service(Engine& engine, ServiceOptions options)
    : engine_(engine), options_(std::move(options)), inside_(std::make_unique<Inside>(engine)) {
  if (!options_.runs.empty()) runs_ = std::make_unique<RunReader>(options_.runs);
  if (options_.reward) scorer_ = std::make_unique<Scorer>(engine, options_.reward);
  if (options_.data.empty()) return;
  make_private_folder(options_.data);
  conversations_ = std::make_unique<ConversationStore>(options_.data);
  feedback_ = std::make_unique<Feedback>(options_.data);
}

Service::~Service() = default;

void Service::handle(const HttpRequest& request, const std::shared_ptr<HttpResponse>& response) {
  const std::shared_ptr<HttpResponse> replies =
      std::make_shared<WithHeaders>(response, access_headers(request, options_.access));
  try {
    const auto known = std::ranges::find(kRoutes, request.path, &Route::path);
    const bool has_only_runs = request.path == "/" && engine_.models().empty();
    std::optional<HttpReply> page =
        is_reading(request) ? page_at(has_only_runs ? "/runs" : request.path) : std::nullopt;
    const bool is_public = page || (known != std::end(kRoutes) && known->is_public);
    if (std::optional<HttpReply> refusal = refusal_of(request, options_.access, is_public)) {
      return response->send(std::move(*refusal));
    }
    if (page) return replies->send(std::move(*page));
    route_of(request).answer({*this, engine_, request, replies});
  } catch (const ApiError& error) {
    replies->send(error.reply());
  } catch (const std::exception& error) {
    warn("{} {}: {}", request.method, request.path, error.what());
    replies->send(ApiError(500, error.what()).reply());
  }
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
