// Decides which requests are answered: keys, hosts and origins.
#pragma once

#include "kiln/serve/http_server.h"

#include <optional>
#include <string>
#include <string_view>
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

/// Says who may use a path. The owner has the key. If the server has no key, everyone who can reach it is the owner,
/// except a client that sends a rater's token.
enum class Audience { anyone, raters, owner };  // raters: the owner, too

/// What a request brings: no token of a rater, a good one, or one that is not good (any more).
enum class RaterToken { none, valid, invalid };

/// Returns the TOKEN of "Authorization: Bearer TOKEN"; "" if there is none.
std::string_view bearer_of(const HttpRequest& request);

/// Returns whether two secrets are equal. The time taken does not tell how much of them is.
bool is_same_secret(std::string_view given, std::string_view secret);

/// Returns the reply that refuses a request, or nullopt if it may be answered:
/// 204 to a preflight (OPTIONS with Access-Control-Request-Method) of an allowed origin, before any key is asked for;
/// 403 for a Host that is not an IP address, localhost or one of options.hosts; 403 for an Origin that is neither the
/// server itself (same host and port) nor one of options.origins; 415 for a POST whose content type is not JSON; and,
/// unless anyone may use the path, 403 for a rater where only the owner may, 401 for an invalid token, and 401 without
/// the key.
std::optional<HttpReply> refusal_of(const HttpRequest& request, const AccessOptions& options, Audience audience,
                                    RaterToken token = RaterToken::none);

/// Returns the headers that every reply to this request carries: those of CORS for an allowed origin, and nosniff.
HttpHeaders access_headers(const HttpRequest& request, const AccessOptions& options);

/// Returns {"error": {"message", "type", "param", "code"}} as OpenAI's API sends it, with the type that belongs to the
/// status.
HttpReply error_reply(int status, std::string_view message);

}  // namespace kiln
