// Lists the paths of the server, and the functions that answer them.
#pragma once

#include "kiln/core/json.h"
#include "kiln/serve/access.h"
#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

class Service;

/// What a function that answers a request may use.
struct RouteContext {
  Service& service;
  Engine& engine;
  const HttpRequest& request;
  const std::shared_ptr<HttpResponse>& response;
  const std::optional<std::string>& rater;  // who sends the request with a rater's token; the owner does without

  /// Sends 200 with this JSON.
  void send(const Json& json) const;
};

/// Returns the reply 200 with this JSON. Bytes that are not UTF-8 become U+FFFD.
HttpReply reply_of(const Json& json);

/// Sends what `answer` returns, or the error that it throws: for work on another thread.
void send_or_refuse(const std::shared_ptr<HttpResponse>& response, const std::function<HttpReply()>& answer);

/// A method and a path, and what answers them. Functions throw ApiError.
struct Route {
  std::string_view method;
  std::string_view path;
  void (*answer)(const RouteContext& context);
  Audience audience = Audience::owner;
};

/// Generation: OpenAI's interface (completion_routes.cpp).
void answer_chat_completion(const RouteContext& context);
void answer_completion(const RouteContext& context);
void answer_models(const RouteContext& context);

/// Texts, tokens and the state of the server, as llama.cpp's server has them (text_routes.cpp, state_routes.cpp).
void answer_tokenize(const RouteContext& context);
void answer_detokenize(const RouteContext& context);
void answer_apply_template(const RouteContext& context);
void answer_health(const RouteContext& context);
void answer_props(const RouteContext& context);
void answer_metrics(const RouteContext& context);
void answer_reload(const RouteContext& context);

/// What people say and think, kept for them (conversation_routes.cpp).
void answer_conversations(const RouteContext& context);
void answer_conversation(const RouteContext& context);
void answer_save_conversation(const RouteContext& context);
void answer_remove_conversation(const RouteContext& context);
void answer_feedback(const RouteContext& context);

/// Scores of a reward model (score_routes.cpp).
void answer_score(const RouteContext& context);

/// The runs of a folder (runs_routes.cpp).
void answer_runs(const RouteContext& context);
void answer_series(const RouteContext& context);
void answer_samples(const RouteContext& context);
void answer_config_diff(const RouteContext& context);

/// What people rank, and their links (rank_routes.cpp).
void answer_rank(const RouteContext& context);
void answer_judge(const RouteContext& context);
void answer_undo(const RouteContext& context);
void answer_own_report(const RouteContext& context);
void answer_rank_report(const RouteContext& context);
void answer_raters(const RouteContext& context);
void answer_add_rater(const RouteContext& context);
void answer_revoke_rater(const RouteContext& context);

/// The inside of models (inspect_routes.cpp).
void answer_inspect(const RouteContext& context);
void answer_embeddings(const RouteContext& context);
void answer_step(const RouteContext& context);
void answer_valley(const RouteContext& context);
void answer_checkpoints(const RouteContext& context);

inline constexpr Route kRoutes[] = {
    {"GET", "/health", answer_health, Audience::anyone},
    {"GET", "/v1/health", answer_health, Audience::anyone},
    {"GET", "/v1/models", answer_models},
    {"POST", "/v1/chat/completions", answer_chat_completion},
    {"POST", "/v1/completions", answer_completion},
    {"POST", "/v1/reload", answer_reload},
    {"GET", "/v1/conversations", answer_conversations},
    {"GET", "/v1/conversation", answer_conversation},
    {"POST", "/v1/conversation", answer_save_conversation},
    {"POST", "/v1/conversation/remove", answer_remove_conversation},
    {"POST", "/v1/feedback", answer_feedback},
    {"POST", "/v1/score", answer_score},
    {"POST", "/tokenize", answer_tokenize},
    {"POST", "/detokenize", answer_detokenize},
    {"POST", "/apply-template", answer_apply_template},
    {"GET", "/props", answer_props},
    {"GET", "/metrics", answer_metrics},
    {"GET", "/v1/checkpoints", answer_checkpoints},
    {"POST", "/v1/inspect", answer_inspect},
    {"POST", "/v1/inspect/embeddings", answer_embeddings},
    {"POST", "/v1/inspect/step", answer_step},
    {"POST", "/v1/inspect/valley", answer_valley},
    {"GET", "/v1/runs", answer_runs},
    {"GET", "/v1/series", answer_series},
    {"GET", "/v1/samples", answer_samples},
    {"GET", "/v1/config-diff", answer_config_diff},
    {"GET", "/v1/rank", answer_rank, Audience::raters},
    {"POST", "/v1/rank", answer_judge, Audience::raters},
    {"POST", "/v1/rank/undo", answer_undo, Audience::raters},
    {"GET", "/v1/rank/own-report", answer_own_report, Audience::raters},
    {"GET", "/v1/rank/report", answer_rank_report},
    {"GET", "/v1/raters", answer_raters},
    {"POST", "/v1/raters", answer_add_rater},
    {"POST", "/v1/raters/revoke", answer_revoke_rater},
};

}  // namespace kiln
