// Paths, keys, texts and tokens, and what monitors read.
#include <gmock/gmock.h>

#include "serve/served_runs.h"
#include "support/error_parts.h"

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::HttpClient;
using testing::save_run;
using testing::Scratch;
using testing::TestServer;

struct ServiceTest : ::testing::Test {
  Scratch scratch;
  TestServer server{{save_run(scratch, "small")}};
};

TEST_F(ServiceTest, TokenizesAndBack) {
  const std::string text = "Hi <|im_end|> é";
  const Json with = server.json("/tokenize", {{"content", text}, {"with_pieces", true}});
  EXPECT_EQ(with["tokens"][3]["id"], 257);
  EXPECT_EQ(with["tokens"][3]["piece"], "<|im_end|>");
  EXPECT_EQ(with["tokens"][5]["piece"], Json({0xC3})) << "half a character";
  const Json plain = server.json("/tokenize", {{"content", text}, {"parse_special", false}});
  EXPECT_EQ(plain["tokens"].size(), text.size());
  EXPECT_EQ(server.json("/detokenize", {{"tokens", plain["tokens"]}})["content"], text);
  EXPECT_THAT(server.json("/detokenize", {{"tokens", {999}}}, 400)["error"]["message"], HasSubstr("999"));
  EXPECT_THAT(server.json("/tokenize", {{"contents", text}}, 400)["error"]["message"], HasSubstr("content"));
}

TEST_F(ServiceTest, AppliesTheChatTemplate) {
  const Json reply = server.json("/apply-template", {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}});
  EXPECT_EQ(reply["prompt"], "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(ServiceTest, NamesWhatIsNotThere) {
  EXPECT_THAT(server.get("/v1/model").body, HasSubstr("did you mean /v1/models?"));
  EXPECT_EQ(server.get("/v1/model").status, 404);
  const auto wrong = server.get("/v1/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_THAT(wrong.body, HasSubstr("POST"));
}

TEST_F(ServiceTest, MetricsAreWhatPrometheusReads) {
  server.json("/v1/completions",
              {{"prompt", "abc"}, {"max_tokens", 5}, {"logit_bias", {{"257", -100}, {"258", -100}}}});
  server.wait_until_idle();
  const auto reply = server.get("/metrics");
  EXPECT_THAT(reply.header("content-type"), HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(reply.body,
              HasSubstr("\n# TYPE llamacpp:tokens_predicted_total counter\nllamacpp:tokens_predicted_total 5\n"));
  EXPECT_THAT(reply.body, HasSubstr("\nllamacpp:prompt_tokens_total 3\n"));
  EXPECT_THAT(reply.body, HasSubstr("\nllamacpp:requests_processing 0\n"));
}

TEST_F(ServiceTest, PagesKeepToThemselves) {
  const auto page = server.get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.header("content-security-policy"), HasSubstr("default-src 'none'"));
  EXPECT_EQ(page.header("x-content-type-options"), "nosniff");
  EXPECT_EQ(server.get("/kiln.js").header("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(server.get("/../CMakeLists.txt").status, 404);
}

TEST(Service, AsksForTheKeyWhereNoPageIs) {
  const Scratch scratch;
  TestServer server({save_run(scratch, "small")}, {}, {.access = {.key = "open sesame"}});
  EXPECT_EQ(server.get("/health").status, 200);
  EXPECT_EQ(server.get("/").status, 200);
  EXPECT_EQ(server.get("/metrics").status, 401);
  EXPECT_EQ(server.get("/v1/models").status, 401);
  EXPECT_EQ(HttpClient(server.port()).ask("GET", "/v1/models", "", "Authorization: Bearer open sesame\r\n").status,
            200);
  EXPECT_EQ(HttpClient(server.port()).ask("GET", "/v1/models", "", "Authorization: Bearer open\r\n").status, 401);
}

}  // namespace
}  // namespace kiln
