// The JSON of errors, which is that of OpenAI's API.
#include "serve/api_error.h"

#include "kiln/serve/access.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(ApiError, HasTheMembersOfOpenAisErrors) {
  const ApiError error(400, "temperature: 3 was sent", "temperature");
  EXPECT_EQ(error.status(), 400);
  EXPECT_STREQ(error.what(), "temperature: 3 was sent");
  EXPECT_EQ(
      error.json().dump(),
      R"({"error":{"message":"temperature: 3 was sent","type":"invalid_request_error","param":"temperature","code":null}})");
}

TEST(ApiError, WithoutFieldIsWhatErrorReplyWrites) {
  for (const int status : {400, 401, 403, 404, 413, 429, 500}) {
    const HttpReply reply = ApiError(status, "it is \"so\"\n").reply(), plain = error_reply(status, "it is \"so\"\n");
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.content_type, "application/json");
    EXPECT_EQ(reply.body, plain.body);
    EXPECT_EQ(reply.headers, plain.headers);
  }
}

TEST(ApiError, SaysWhenToTryAgain) {
  EXPECT_EQ(ApiError(503, "full").reply().headers, (HttpHeaders{{"Retry-After", "1"}}));
}

TEST(ApiError, TypeIsThatOfTheStatus) {
  const auto type = [](int status) { return ApiError(status, "x").json()["error"]["type"]; };
  EXPECT_EQ(type(400), "invalid_request_error");
  EXPECT_EQ(type(401), "authentication_error");
  EXPECT_EQ(type(404), "not_found_error");
  EXPECT_EQ(type(500), "server_error");
  EXPECT_EQ(type(503), "unavailable_error");
}

TEST(ApiError, FurtherMembersAreAddedOrReplaceTheOthers) {
  const ApiError error(400, "too long", "", {{"type", "exceed_context_size_error"}, {"n_ctx", 64}});
  const Json json = Json::parse(error.reply().body);
  EXPECT_EQ(
      json.dump(),
      R"({"error":{"message":"too long","type":"exceed_context_size_error","param":null,"code":null,"n_ctx":64}})");
  EXPECT_EQ(ApiError(404, "none", "model", {{"code", "model_not_found"}}).json()["error"]["code"], "model_not_found");
}

TEST(ApiError, BytesThatAreNotUtf8AreReplaced) {
  const Json json = Json::parse(ApiError(400, "a\xff", "b\xff").reply().body);
  EXPECT_EQ(json["error"]["message"], "a\uFFFD");
  EXPECT_EQ(json["error"]["param"], "b\uFFFD");
}

}  // namespace
}  // namespace kiln
