// Checks the host, the origin and the key of a request, and words refusals.
#include "kiln/serve/access.h"

#include "kiln/core/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/http_text.h"
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <netinet/in.h>
#include <string_view>
#include <utility>

namespace kiln {
namespace {

/// The host and port of a header Host or of an origin.
struct Authority {
  std::string name;  // in lower case; an IPv6 address without its brackets
  bool is_address = false;
  std::uint16_t port = 0;  // 0: none was given
};

bool is_ip_address(int family, const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  return ::inet_pton(family, text.c_str(), bytes.data()) == 1;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

/// Reads "name", "name:80", "127.0.0.1:80", "[::1]" or "[::1]:80".
std::optional<Authority> parse_authority(std::string_view text) {
  Authority authority;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    authority.name = in_lower_case(text.substr(1, close - 1));
    authority.is_address = is_ip_address(AF_INET6, authority.name);
    if (!authority.is_address) return std::nullopt;
    rest = text.substr(close + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    authority.name = in_lower_case(text.substr(0, colon));
    if (!is_name(authority.name)) return std::nullopt;
    authority.is_address = is_ip_address(AF_INET, authority.name);
    rest = text.substr(colon);
  }
  if (rest.empty()) return authority;
  if (rest.front() != ':') return std::nullopt;
  rest.remove_prefix(1);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), authority.port);
  if (error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  return authority;
}

bool has_header(const HttpRequest& request, std::string_view name) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [&](const auto& header) { return header.first == name; });
}

bool is_host_allowed(const HttpRequest& request, const AccessOptions& options) {
  if (!has_header(request, "host")) return true;  // HTTP/1.0, which no browser speaks
  const std::optional<Authority> host = parse_authority(request.header("host"));
  if (!host) return false;
  return host->is_address || host->name == "localhost" ||
         std::any_of(options.hosts.begin(), options.hosts.end(),
                     [&](const std::string& allowed) { return equal_but_for_case(allowed, host->name); });
}

/// Returns whether a page of this origin came from the server itself. A proxy before it may speak https.
bool is_own_origin(std::string_view origin, std::string_view host) {
  for (const auto& [scheme, usual_port] : {std::pair("http://", std::uint16_t{80}), {"https://", std::uint16_t{443}}}) {
    if (!origin.starts_with(scheme)) continue;
    const std::optional<Authority> page = parse_authority(origin.substr(std::string_view(scheme).size()));
    const std::optional<Authority> own = parse_authority(host);
    const auto port_of = [port = usual_port](const Authority& a) { return a.port == 0 ? port : a.port; };
    return page && own && page->name == own->name && port_of(*page) == port_of(*own);
  }
  return false;
}

bool is_listed_origin(std::string_view origin, const AccessOptions& options) {
  if (origin.empty() || origin == "null") return false;  // files and sandboxed frames of anybody are "null"
  return std::any_of(options.origins.begin(), options.origins.end(), [&](std::string_view listed) {
    if (listed.ends_with('/')) listed.remove_suffix(1);  // as it is copied from a browser's address bar
    return equal_but_for_case(listed, origin);
  });
}

bool is_json(std::string_view content_type) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return equal_but_for_case(type, "application/json");
}

HttpReply preflight_reply() {
  return {.status = 204,
          .content_type = "",
          .headers = {{"Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS"},
                      {"Access-Control-Allow-Headers", "Authorization, Content-Type"},
                      {"Access-Control-Max-Age", "600"}}};
}

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

std::string_view bearer_of(const HttpRequest& request) {
  constexpr std::string_view kScheme = "bearer ";
  std::string_view given = request.header("authorization");
  if (!equal_but_for_case(given.substr(0, kScheme.size()), kScheme)) return {};
  given.remove_prefix(kScheme.size());
  given.remove_prefix(std::min(given.find_first_not_of(' '), given.size()));
  return given;
}

bool is_same_secret(std::string_view given, std::string_view secret) {
  if (secret.empty()) return given.empty();
  volatile unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference =
        difference | (static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(secret[i % secret.size()]));
  }
  return difference == 0;
}

std::optional<HttpReply> refusal_of(const HttpRequest& request, const AccessOptions& options, Audience audience,
                                    RaterToken token) {
  if (!is_host_allowed(request, options)) {
    return error_reply(
        403, fmt::format("the host \"{}\" is not one of this server's names; kiln serve --allow-host adds one",
                         request.header("host")));
  }
  const std::string_view origin = request.header("origin");
  const bool is_from_page = has_header(request, "origin");
  if (is_from_page && !is_listed_origin(origin, options) && !is_own_origin(origin, request.header("host"))) {
    return error_reply(
        403, fmt::format("pages of \"{}\" may not use this server; kiln serve --allow-origin allows them", origin));
  }
  if (is_from_page && request.method == "OPTIONS" && has_header(request, "access-control-request-method"))
    return preflight_reply();
  if (request.method == "POST" && !is_json(request.header("content-type"))) {
    return error_reply(415, fmt::format("a body of Content-Type application/json is expected, not \"{}\"",
                                        request.header("content-type")));
  }
  if (audience == Audience::anyone || (token == RaterToken::valid && audience == Audience::raters)) return std::nullopt;
  if (token == RaterToken::valid) return error_reply(403, "this token is for ranking alone; the owner has the key");
  if (token == RaterToken::invalid)
    return error_reply(401, "this link for raters is not valid, or not any more; ask for a new one");
  if (!options.key.empty() && !is_same_secret(bearer_of(request), options.key)) {
    return error_reply(401, has_header(request, "authorization")
                                ? "the key is wrong; send this server's as \"Authorization: Bearer KEY\""
                                : "this server asks for a key; send it as \"Authorization: Bearer KEY\"");
  }
  return std::nullopt;
}

HttpHeaders access_headers(const HttpRequest& request, const AccessOptions& options) {
  HttpHeaders headers = {{"X-Content-Type-Options", "nosniff"}};
  if (options.origins.empty()) return headers;
  headers.emplace_back("Vary", "Origin");  // to pages of other origins too: a cache must not hand them this reply
  const std::string_view origin = request.header("origin");
  if (is_listed_origin(origin, options)) headers.emplace_back("Access-Control-Allow-Origin", origin);
  return headers;
}

HttpReply error_reply(int status, std::string_view message) {
  const Json json = {
      {"error", {{"message", message}, {"type", error_type(status)}, {"param", nullptr}, {"code", nullptr}}}};
  HttpReply reply{.status = status, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
  if (status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

}  // namespace kiln
