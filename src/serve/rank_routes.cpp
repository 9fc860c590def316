// Answers what the page "Rank" asks: what a rater sees and says, links for raters, and reports.
#include "kiln/serve/service.h"

#include "serve/api_error.h"
#include "serve/ranking_task.h"
#include "serve/rater_tokens.h"
#include "serve/request_fields.h"
#include "serve/routes.h"
#include <functional>
#include <string>
#include <utility>

namespace kiln {
namespace {

/// Returns the name under which the sender of a request ranks.
std::string ranking_name(const RouteContext& context) {
  return context.rater ? *context.rater : context.service.ranking().task.owner();
}

/// Answers on the thread that judges with the state of the sender. Adds whether it is the owner.
void answer_with_state(const RouteContext& context,
                       std::function<Json(RankingTask& task, const std::string& name)> state) {
  RankingService& service = context.service.ranking();
  service.judging.post([&task = service.task, response = context.response, name = ranking_name(context),
                        is_owner = !context.rater, state = std::move(state)] {
    send_or_refuse(response, [&] {
      Json json = state(task, name);
      json["is_owner"] = is_owner;
      return reply_of(json);
    });
  });
}

std::string name_in(const Json& body) {
  RequestFields fields(body);
  std::string name = fields.text("name").value_or("");
  fields.refuse_unknown();
  return name;
}

}  // namespace

void answer_rank(const RouteContext& context) {
  answer_with_state(context, [](RankingTask& task, const std::string& name) { return task.state(name); });
}

void answer_judge(const RouteContext& context) {
  answer_with_state(context, [body = parse_body(context.request.body)](RankingTask& task, const std::string& name) {
    return task.judge(name, body);
  });
}

void answer_undo(const RouteContext& context) {
  answer_with_state(context, [body = parse_body(context.request.body)](RankingTask& task, const std::string& name) {
    return task.undo(name, body);
  });
}

void answer_rank_report(const RouteContext& context) {
  RankingService& service = context.service.ranking();
  service.reporting.post([&report = service.report, response = context.response] {
    send_or_refuse(response, [&] { return reply_of(report.of_all()); });
  });
}

void answer_own_report(const RouteContext& context) {
  RankingService& service = context.service.ranking();
  service.reporting.post([&report = service.report, response = context.response, name = ranking_name(context)] {
    send_or_refuse(response, [&] { return reply_of(report.of_rater(name)); });
  });
}

void answer_raters(const RouteContext& context) {
  context.send({{"object", "list"}, {"data", context.service.raters().list()}});
}

void answer_add_rater(const RouteContext& context) {
  const std::string name = name_in(parse_body(context.request.body));
  const std::string token = context.service.raters().add(name);
  context.send({{"name", name}, {"token", token}, {"path", "/rank#token=" + token}});
}

void answer_revoke_rater(const RouteContext& context) {
  const std::string name = name_in(parse_body(context.request.body));
  context.service.raters().remove(name);
  context.send({{"name", name}, {"removed", true}});
}

}  // namespace kiln
