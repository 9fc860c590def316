// Keys, hosts and origins: who is answered, who is refused, and with what.
#include "kiln/serve/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

HttpRequest request(const HttpHeaders& headers = {}, const std::string& method = "GET") {
  HttpRequest request{.method = method, .path = "/v1/models", .headers = {{"host", "localhost:8080"}}};
  for (const auto& header : headers) {
    if (header.first == "host") request.headers.clear();
    request.headers.push_back(header);
  }
  return request;
}

/// Returns the status of the refusal, or 0 if there is none.
int status_of(const HttpRequest& request, const AccessOptions& options = {}, Audience audience = Audience::owner,
              RaterToken token = RaterToken::none) {
  const std::optional<HttpReply> refusal = refusal_of(request, options, audience, token);
  return refusal ? refusal->status : 0;
}

TEST(Access, AllowsAddressesAndLocalhostAsHost) {
  for (const char* host : {"localhost", "localhost:8080", "LocalHost:1", "127.0.0.1", "127.0.0.1:8080",
                           "192.168.1.7:80", "[::1]", "[::1]:8080", "[FE80::1]:65535"}) {
    EXPECT_EQ(status_of(request({{"host", host}})), 0) << host;
  }
}

TEST(Access, RefusesOtherHosts) {
  for (const char* host : {"evil.example",
                           "evil.example:8080",
                           "localhost.evil.example",
                           "127.0.0.1.evil.example",
                           "127.0.0.1:80:80",
                           "",
                           ":8080",
                           "localhost:",
                           "localhost:x",
                           "localhost:65536",
                           "[::1",
                           "[::1]x",
                           "[localhost]",
                           "[127.0.0.1]",
                           "::1",
                           "localhost@evil.example",
                           "localhost/",
                           " localhost",
                           "localhost,evil.example",
                           "256.1.1.1"}) {
    EXPECT_EQ(status_of(request({{"host", host}})), 403) << host;
  }
  HttpRequest none = request();
  none.headers.clear();
  EXPECT_EQ(status_of(none), 0) << "HTTP/1.0";
}

TEST(Access, AllowsHostsOfAProxy) {
  const AccessOptions options{.hosts = {"llm.Example.org"}};
  for (const char* host : {"llm.example.org", "LLM.example.org:443", "localhost"})
    EXPECT_EQ(status_of(request({{"host", host}}), options), 0) << host;
  for (const char* host : {"example.org", "x.llm.example.org", "llm.example.org.evil.example"})
    EXPECT_EQ(status_of(request({{"host", host}}), options), 403) << host;
  EXPECT_THAT(refusal_of(request({{"host", "other"}}), options, Audience::anyone)->body, HasSubstr("\\\"other\\\""));
}

TEST(Access, AllowsPagesOfTheServerItself) {
  for (const auto& [host, origin] : {std::pair("localhost:8080", "http://localhost:8080"),
                                     {"LOCALHOST:8080", "http://localhost:8080"},
                                     {"127.0.0.1", "http://127.0.0.1"},
                                     {"127.0.0.1:80", "http://127.0.0.1"},
                                     {"127.0.0.1", "http://127.0.0.1:80"},
                                     {"[::1]:8080", "http://[::1]:8080"},
                                     {"127.0.0.1", "https://127.0.0.1"},
                                     {"127.0.0.1:443", "https://127.0.0.1"}}) {
    EXPECT_EQ(status_of(request({{"host", host}, {"origin", origin}})), 0) << host << " " << origin;
  }
}

TEST(Access, RefusesPagesFromElsewhere) {
  for (const char* origin : {"http://evil.example", "http://localhost:8081", "http://localhost", "https://localhost",
                             "http://127.0.0.1:8080", "null", "", "file://", "localhost:8080", "http://localhost:8080/",
                             "http://localhost:8080.evil.example", "http://localhost:8080@evil.example",
                             "ftp://localhost:8080", "chrome-extension://abc"}) {
    EXPECT_EQ(status_of(request({{"origin", origin}})), 403) << origin;
    EXPECT_EQ(status_of(request({{"origin", origin}}), {}, Audience::anyone), 403) << origin << ", public";
  }
  EXPECT_EQ(status_of(request({{"origin", "null"}}), {.origins = {"null"}}), 403) << "anybody can be null";
}

TEST(Access, AllowsListedOrigins) {
  const AccessOptions options{.origins = {"https://app.example", "http://dev.example:3000/"}};
  for (const char* origin : {"https://app.example", "http://dev.example:3000"}) {
    EXPECT_EQ(status_of(request({{"origin", origin}}), options), 0) << origin;
    EXPECT_THAT(access_headers(request({{"origin", origin}}), options),
                ElementsAre(Pair("X-Content-Type-Options", "nosniff"), Pair("Vary", "Origin"),
                            Pair("Access-Control-Allow-Origin", origin)));
  }
  for (const char* origin : {"http://app.example", "https://app.example:444", "https://app.example.evil.example"}) {
    EXPECT_EQ(status_of(request({{"origin", origin}}), options), 403) << origin;
    EXPECT_THAT(access_headers(request({{"origin", origin}}), options),
                ElementsAre(Pair("X-Content-Type-Options", "nosniff"), Pair("Vary", "Origin")));
  }
  EXPECT_THAT(access_headers(request({{"origin", "https://app.example"}}), {}),
              ElementsAre(Pair("X-Content-Type-Options", "nosniff")));
}

TEST(Access, AnswersPreflightsWithoutAKey) {
  const AccessOptions options{.key = "secret", .origins = {"https://app.example"}};
  const HttpHeaders asks = {{"origin", "https://app.example"}, {"access-control-request-method", "POST"}};
  const std::optional<HttpReply> reply = refusal_of(request(asks, "OPTIONS"), options, Audience::owner);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 204);
  EXPECT_EQ(reply->body, "");
  EXPECT_THAT(reply->headers, ElementsAre(Pair("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS"),
                                          Pair("Access-Control-Allow-Headers", "Authorization, Content-Type"),
                                          Pair("Access-Control-Max-Age", "600")));
  EXPECT_EQ(status_of(request({{"origin", "https://evil.example"}, asks[1]}, "OPTIONS"), options), 403);
  EXPECT_EQ(status_of(request({{"host", "evil.example"}, asks[0], asks[1]}, "OPTIONS"), options), 403);
  EXPECT_EQ(status_of(request({asks[0]}, "OPTIONS"), options), 401) << "not a preflight";
}

TEST(Access, TakesOnlyJson) {
  for (const char* type :
       {"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;charset=utf-8"}) {
    EXPECT_EQ(status_of(request({{"content-type", type}}, "POST")), 0) << type;
  }
  for (const char* type : {"", "text/plain", "text/plain; application/json", "application/jsonx", "application/json2",
                           "multipart/form-data", "application/x-www-form-urlencoded"}) {
    EXPECT_EQ(status_of(request({{"content-type", type}}, "POST")), 415) << type;
  }
  EXPECT_EQ(status_of(request({}, "POST")), 415);
  EXPECT_EQ(status_of(request({}, "GET")), 0);
}

TEST(Access, AsksForTheKey) {
  const AccessOptions options{.key = "sk-secret"};
  EXPECT_EQ(status_of(request(), options), 401);
  EXPECT_EQ(status_of(request(), options, Audience::anyone), 0);
  EXPECT_EQ(status_of(request(), options, Audience::raters), 401);
  for (const char* value : {"Bearer sk-secret", "bearer sk-secret", "BEARER  sk-secret"})
    EXPECT_EQ(status_of(request({{"authorization", value}}), options), 0) << value;
  for (const char* value :
       {"", "Bearer", "Bearer ", "Bearer sk-secre", "Bearer sk-secretx", "Bearer sk-secretsk-secret",
        "Bearer SK-SECRET", "Basic sk-secret", "sk-secret", "Bearersk-secret", "Bearer\tsk-secret"}) {
    EXPECT_EQ(status_of(request({{"authorization", value}}), options), 401) << value;
  }
  const std::optional<HttpReply> refusal = refusal_of(request(), options, Audience::owner);
  EXPECT_THAT(refusal->headers, ElementsAre(Pair("WWW-Authenticate", "Bearer")));
  EXPECT_THAT(refusal->body, HasSubstr("Authorization: Bearer KEY"));
  EXPECT_THAT(refusal->body, ::testing::Not(HasSubstr("sk-secret")));
}

TEST(Access, RatersMayRankAlone) {
  const AccessOptions locked{.key = "secret"};
  for (const AccessOptions& options : {AccessOptions{}, locked}) {
    EXPECT_EQ(status_of(request(), options, Audience::raters, RaterToken::valid), 0);
    EXPECT_EQ(status_of(request(), options, Audience::anyone, RaterToken::valid), 0);
    EXPECT_EQ(status_of(request(), options, Audience::anyone, RaterToken::invalid), 0);
    EXPECT_EQ(status_of(request(), options, Audience::owner, RaterToken::valid), 403);
    EXPECT_EQ(status_of(request(), options, Audience::raters, RaterToken::invalid), 401) << "nobody becomes the owner";
    EXPECT_EQ(status_of(request(), options, Audience::owner, RaterToken::invalid), 401);
    EXPECT_EQ(status_of(request({{"host", "evil.example"}}), options, Audience::raters, RaterToken::valid), 403);
  }
  EXPECT_EQ(status_of(request(), {}, Audience::raters), 0) << "without a key, the owner may rank";
  EXPECT_EQ(status_of(request({{"authorization", "Bearer secret"}}), locked, Audience::raters), 0);
}

TEST(Access, SecretsAreEqualOrNot) {
  EXPECT_TRUE(is_same_secret("abc", "abc"));
  for (const char* other : {"", "ab", "abd", "abcabc", "ABC"}) EXPECT_FALSE(is_same_secret(other, "abc")) << other;
  EXPECT_FALSE(is_same_secret("abc", ""));
}

TEST(Access, ErrorsAreJsonWithTheTypeOfTheirStatus) {
  for (const auto& [status, type] : {std::pair(400, "invalid_request_error"),
                                     {401, "authentication_error"},
                                     {403, "permission_error"},
                                     {404, "not_found_error"},
                                     {405, "invalid_request_error"},
                                     {408, "invalid_request_error"},
                                     {413, "invalid_request_error"},
                                     {415, "invalid_request_error"},
                                     {429, "rate_limit_error"},
                                     {431, "invalid_request_error"},
                                     {500, "server_error"},
                                     {501, "server_error"},
                                     {503, "unavailable_error"}}) {
    const HttpReply reply = error_reply(status, "why \"not\"\n\xff");
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.content_type, "application/json");
    EXPECT_EQ(reply.body, std::string(R"({"error":{"message":"why \"not\"\n)") + "\xef\xbf\xbd" + R"(","type":")" +
                              type + R"(","param":null,"code":null}})");
  }
}

}  // namespace
}  // namespace kiln
