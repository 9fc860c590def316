// Decides which requests are answered: keys, hosts and origins.
#pragma once

#include "kiln/serve/http_server.h"

#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// Who may use the server. A browser sends requests on behalf of any page that it shows, so a page from elsewhere must
/// not reach a server on this machine: neither by another Origin (cross-site request forgery), nor by a name that its
/// owner points at this machine (DNS rebinding).
struct AccessOptions {
  std::string key = {};                   // that each request must bring as "Authorization: Bearer KEY"; "": none
  std::vector<std::string> hosts = {};    // names allowed in Host besides addresses and localhost: a proxy's
  std::vector<std::string> origins = {};  // pages from elsewhere that may call the server (CORS)
};

/// Returns the reply that refuses a request, or nullopt if it may be answered:
/// 204 to a preflight (OPTIONS with Access-Control-Request-Method) of an allowed origin, before any key is asked for;
/// 403 for a Host that is not an IP address, localhost or one of options.hosts; 403 for an Origin that is neither the
/// server itself (same host and port) nor one of options.origins; 415 for a POST whose content type is not JSON;
/// 401 without the key, unless `is_public` says that this path needs none. Keys are compared in constant time.
std::optional<HttpReply> refusal_of(const HttpRequest& request, const AccessOptions& options, bool is_public);

/// Returns the headers that every reply to this request carries: those of CORS for an allowed origin, and nosniff.
HttpHeaders access_headers(const HttpRequest& request, const AccessOptions& options);

/// Returns {"error": {"message", "type", "param", "code"}} as OpenAI's API sends it, with the type that belongs to the
/// status.
HttpReply error_reply(int status, std::string_view message);

}  // namespace kiln
