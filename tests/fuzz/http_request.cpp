// The bytes of a connection: what is read does not depend on how they arrive, and is within the limits.
#include "kiln/serve/http_server.h"

#include "serve/http_server_parser.h"
#include "target.h"
#include <optional>
#include <vector>

namespace kiln::fuzz {
namespace {

constexpr HttpLimits kLimits{.header_bytes = 1024, .body_bytes = 4096};

/// What a connection's bytes mean: requests, and how they end.
struct Reading {
  std::vector<HttpRequest> requests;
  std::optional<int> refusal;
  bool has_rest = false;  // of a request that is not whole
};

/// Reads the input in parts of `step` bytes.
Reading read(std::string_view input, std::size_t step) {
  Reading reading;
  std::string waiting;
  auto parser = std::make_unique<RequestParser>(kLimits);
  for (std::size_t at = 0; at < input.size() || !waiting.empty();) {
    const std::size_t before = waiting.size();
    waiting += input.substr(at, step);
    at += std::min(step, input.size() - at);
    parser->take(waiting);
    if (parser->refusal()) {
      reading.refusal = parser->refusal()->status;
      return reading;
    }
    if (parser->is_whole()) {
      (void)parser->form();
      reading.requests.push_back(parser->release());
      parser = std::make_unique<RequestParser>(kLimits);
    } else if (at == input.size() && waiting.size() >= before && !waiting.empty()) {
      break;  // nothing more will come
    }
  }
  reading.has_rest = parser->has_header() || !waiting.empty();
  return reading;
}

bool are_same(const HttpRequest& a, const HttpRequest& b) {
  return a.method == b.method && a.path == b.path && a.query == b.query && a.headers == b.headers && a.body == b.body;
}

}  // namespace

void fuzz_http_request(std::string_view input) {
  const Reading whole = read(input, input.size() + 1);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) {
    const Reading parts = read(input, step);
    require(parts.requests.size() == whole.requests.size(), "{} requests in parts of {}, {} at once",
            parts.requests.size(), step, whole.requests.size());
    for (std::size_t i = 0; i < whole.requests.size(); ++i) {
      require(are_same(parts.requests[i], whole.requests[i]), "request {} differs in parts of {}", i, step);
    }
    // Of a header that does not end, Beast reads the first line only if it comes in one piece.
    const bool may_differ = parts.has_rest || whole.has_rest;
    require(may_differ || parts.refusal.has_value() == whole.refusal.has_value(),
            "refused in one way of arriving alone");
  }
  for (const HttpRequest& request : whole.requests) {
    require(request.path.starts_with('/'), "the path {}", request.path);
    require(request.path.find('\0') == std::string::npos, "a NUL in the path");
    require(request.body.size() <= kLimits.body_bytes, "a body of {}", request.body.size());
  }
  check(!whole.requests.empty() || !whole.refusal, "refused");
}

}  // namespace kiln::fuzz
