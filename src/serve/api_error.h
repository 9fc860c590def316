// Defines the errors that the server's interfaces report to a client.
#pragma once

#include "kiln/core/json.h"
#include "kiln/serve/http_server.h"

#include <nlohmann/json.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace kiln {

/// Refuses one request. Its JSON is that of OpenAI's API: {"error": {"message", "type", "param", "code"}}.
class ApiError : public std::runtime_error {
 public:
  /// `param` is the field of the request that is wrong, "" for none. `more` has further members of the error object.
  ApiError(int status, const std::string& message, std::string param = {}, Json more = Json::object())
      : std::runtime_error(message), status_(status), param_(std::move(param)), more_(std::move(more)) {}

  int status() const { return status_; }

  /// Returns the object with the member "error"; the type is that of the status, unless `more` names one.
  Json json() const;

  /// Returns the reply with that JSON; 503 also says when to try again.
  HttpReply reply() const;

 private:
  int status_;
  std::string param_;
  Json more_;
};

}  // namespace kiln
