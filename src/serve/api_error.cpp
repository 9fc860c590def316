// Adds the field and further members to the error that error_reply writes, so that its form and types have one place.
#include "serve/api_error.h"

#include "kiln/serve/access.h"

namespace kiln {

Json ApiError::json() const {
  Json json = Json::parse(error_reply(status_, what()).body);
  Json& error = json["error"];
  if (!param_.empty()) error["param"] = param_;
  for (const auto& [name, value] : more_.items()) error[name] = value;
  return json;
}

HttpReply ApiError::reply() const {
  HttpReply reply = error_reply(status_, what());
  reply.body = json().dump(-1, ' ', false, Json::error_handler_t::replace);
  if (status_ == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

}  // namespace kiln
