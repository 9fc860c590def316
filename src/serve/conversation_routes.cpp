// Answers the paths of conversations and feedback.
#include "kiln/serve/service.h"

#include "serve/conversations.h"
#include "serve/feedback.h"
#include "serve/query.h"
#include "serve/request_fields.h"
#include "serve/routes.h"

namespace kiln {

void answer_conversations(const RouteContext& context) {
  context.send({{"object", "list"}, {"data", context.service.conversations().list()}});
}

void answer_conversation(const RouteContext& context) {
  constexpr std::string_view kKnown[] = {"id"};
  const std::string id = Query(context.request.query, kKnown).required_text("id");
  context.response->send({.body = context.service.conversations().read(id)});
}

void answer_save_conversation(const RouteContext& context) {
  context.send(context.service.conversations().save(parse_body(context.request.body)));
}

void answer_remove_conversation(const RouteContext& context) {
  const Json body = parse_body(context.request.body);
  RequestFields fields(body);
  const std::string id = fields.text("id").value_or("");
  fields.refuse_unknown();
  context.service.conversations().remove(id);
  context.send({{"id", id}, {"removed", true}});
}

void answer_feedback(const RouteContext& context) {
  context.service.feedback().add(parse_body(context.request.body), context.engine.models());
  context.send({{"saved", true}});
}

}  // namespace kiln
