// Chat completions and completions of a whole server, compared with what complete() draws.
#include "kiln/infer/complete.h"
#include "kiln/infer/inspect.h"

#include <gmock/gmock.h>

#include "serve/served_runs.h"
#include "support/error_parts.h"
#include <chrono>
#include <thread>

namespace kiln {
namespace {

using testing::events_of;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::kServedContext;
using testing::save_run;
using testing::Scratch;
using testing::TestServer;

Json question(const std::string& text, Json more = Json::object()) {
  more["messages"] = {{{"role", "user"}, {"content", text}}};
  if (!more.contains("max_tokens")) more["max_tokens"] = 12;
  if (!more.contains("seed")) more["seed"] = 5;
  return more;
}

/// One run on a server, and the same model at hand.
struct Completions : ::testing::Test {
  Completions() : run(save_run(scratch, "small")), server({run}), model({.run = run}) { set_threads(1); }

  /// What complete() draws after a prompt: choice k of those of this seed.
  Completion drawn(const std::vector<TokenId>& prompt, Index k, const CompletionOptions& options) {
    CompletionOptions all = options;
    all.generation.samples = k + 1;
    return complete(model.view(), model.tokenizer(), std::array{prompt}, all).back();
  }

  CompletionOptions options(Index max_tokens = 12) const {
    return {.generation = {.max_tokens = max_tokens, .seed = 5, .end_tokens = {258, 257}}};
  }

  Scratch scratch;
  std::string run;
  TestServer server;
  ServedModel model;
};

TEST_F(Completions, AChatAnswersAsTheModelDraws) {
  const Json reply = server.json("/v1/chat/completions", question("hello", {{"n", 3}}));
  const std::vector<TokenId> prompt = model.chat().prompt(std::array{ChatMessage{ChatRole::user, "hello"}});
  EXPECT_EQ(reply["object"], "chat.completion");
  EXPECT_EQ(reply["model"], "small");
  ASSERT_EQ(reply["choices"].size(), 3u);
  Index drawn_tokens = 0;
  for (Index k = 0; k < 3; ++k) {
    const Completion wanted = drawn(prompt, k, options());
    const Json& choice = reply["choices"][static_cast<std::size_t>(k)];
    EXPECT_EQ(choice["index"], k);
    EXPECT_EQ(choice["message"]["role"], "assistant");
    EXPECT_EQ(choice["message"]["content"], trim_content(wanted.text));
    EXPECT_EQ(choice["finish_reason"], wanted.finish == Finish::length ? "length" : "stop");
    drawn_tokens += wanted.tokens;
  }
  EXPECT_EQ(reply["usage"]["prompt_tokens"], prompt.size());
  EXPECT_EQ(reply["usage"]["completion_tokens"], drawn_tokens);
}

TEST_F(Completions, AStreamHoldsTheSameTextInPieces) {
  const std::string whole = server.json("/v1/chat/completions", question("hello"))["choices"][0]["message"]["content"];
  const auto reply = server.post("/v1/chat/completions",
                                 question("hello", {{"stream", true}, {"stream_options", {{"include_usage", true}}}}));
  EXPECT_EQ(reply.header("content-type"), "text/event-stream");
  std::vector<std::string> events = events_of(reply);
  EXPECT_EQ(events.back(), "[DONE]");
  events.pop_back();
  const Json usage = Json::parse(events.back());
  events.pop_back();
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 12);
  std::string text;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Json event = Json::parse(events[i]);
    EXPECT_EQ(event["object"], "chat.completion.chunk");
    EXPECT_EQ(event["id"], usage["id"]);
    EXPECT_EQ(event["created"], usage["created"]);
    const Json& choice = event["choices"][0];
    EXPECT_EQ(choice["delta"].contains("role"), i == 0);
    EXPECT_EQ(choice["finish_reason"], i + 1 == events.size() ? Json("length") : Json());
    text += choice["delta"].value("content", "");
  }
  EXPECT_EQ(text, whole);
}

TEST_F(Completions, SeveralPromptsAsTextOrTokens) {
  const Json reply =
      server.json("/v1/completions", {{"prompt", {"ab", "Once upon"}}, {"max_tokens", 6}, {"seed", 5}, {"n", 2}});
  ASSERT_EQ(reply["choices"].size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string text = i < 2 ? "ab" : "Once upon";
    const std::vector<TokenId> prompt(text.begin(), text.end());
    EXPECT_EQ(reply["choices"][i]["text"], drawn(prompt, static_cast<Index>(i % 2), options(6)).text);
  }
  const Json tokens = server.json("/v1/completions", {{"prompt", {97, 98}}, {"max_tokens", 6}, {"seed", 5}});
  EXPECT_EQ(tokens["choices"][0]["text"], reply["choices"][0]["text"]);
}

TEST_F(Completions, EchoScoresThePrompt) {
  const Json reply =
      server.json("/v1/completions", {{"prompt", "the fox"}, {"max_tokens", 0}, {"echo", true}, {"logprobs", 2}});
  const Json& choice = reply["choices"][0];
  EXPECT_EQ(choice["text"], "the fox");
  const std::string text = "the fox";
  const Inspection inspection = inspect(model.view(), std::vector<TokenId>(text.begin(), text.end()), 2);
  const Json& log_probabilities = choice["logprobs"]["token_logprobs"];
  ASSERT_EQ(log_probabilities.size(), text.size());
  EXPECT_TRUE(log_probabilities[0].is_null());
  for (std::size_t i = 1; i < text.size(); ++i) {
    EXPECT_NEAR(log_probabilities[i].get<double>(), -inspection.predictions[i - 1].loss, 1e-4);
  }
}

TEST_F(Completions, StopTextsEndAnAnswerAndAreNoPartOfIt) {
  const std::string whole =
      server.json("/v1/completions", {{"prompt", "ab"}, {"max_tokens", 20}, {"seed", 5}})["choices"][0]["text"];
  std::size_t at = 4;  // a place where a character of one byte stands
  while (at < whole.size() && (static_cast<unsigned char>(whole[at]) >= 0x80 || whole[at] < ' ')) ++at;
  ASSERT_LT(at, whole.size());
  const std::string stop = whole.substr(at, 1);
  const Json reply =
      server.json("/v1/completions", {{"prompt", "ab"}, {"max_tokens", 20}, {"seed", 5}, {"stop", {"nowhere", stop}}});
  EXPECT_EQ(reply["choices"][0]["text"], whole.substr(0, whole.find(stop)));
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "stop");
}

TEST_F(Completions, APromptBeyondTheContextIsRefusedWithBothNumbers) {
  const Json error = server.json("/v1/chat/completions", question(std::string(500, 'x')), 400)["error"];
  EXPECT_EQ(error["type"], "exceed_context_size_error");
  EXPECT_EQ(error["n_ctx"], kServedContext);
  EXPECT_GT(error["n_prompt_tokens"], 500);
}

TEST_F(Completions, TheOldestTurnsAreDroppedWhereTheClientSaysSo) {
  Json body = question("and now?", {{"truncation", "oldest_turns"}});
  body["messages"] = Json::array();
  for (int i = 0; i < 12; ++i) {
    body["messages"].push_back({{"role", "user"}, {"content", "question number " + std::to_string(i)}});
    body["messages"].push_back({{"role", "assistant"}, {"content", "an answer"}});
  }
  body["messages"].push_back({{"role", "user"}, {"content", "and now?"}});
  const auto reply = server.post("/v1/chat/completions", body);
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_GT(std::stoi(reply.header("kiln-dropped-turns")), 5);
  body.erase("truncation");
  EXPECT_EQ(server.post("/v1/chat/completions", body).status, 400);
}

TEST_F(Completions, AnAnswerWithoutALimitEndsWithTheContext) {
  Json body = question("x");
  body.erase("max_tokens");
  body["logit_bias"] = {{"257", -100}, {"258", -100}};  // never ends by itself
  const Json reply = server.json("/v1/chat/completions", body);
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(reply["usage"]["total_tokens"], kServedContext + 1) << "the last token is not read again";
}

TEST_F(Completions, RefusesWhatItCannotRead) {
  const auto message_of = [&](const Json& body, int status = 400) {
    return server.json("/v1/completions", body, status)["error"]["message"].get<std::string>();
  };
  EXPECT_THAT(message_of({{"prompt", {300}}}), HasSubstr("300"));
  EXPECT_THAT(message_of({{"prompt", "a"}, {"logit_bias", {{"300", 1}}}}), HasSubstr("300"));
  EXPECT_THAT(message_of({{"prompt", "a"}, {"model", "large"}}, 404), HasSubstr("this server has small"));
  EXPECT_THAT(message_of({{"prompt", "a"}, {"tools", {{{"type", "function"}}}}}), HasSubstr("tools"));
  EXPECT_THAT(message_of({{"prompt", "a"}, {"max_tokenz", 3}}), HasSubstr("max_tokens"));
}

TEST_F(Completions, AClientThatGoesEndsItsAnswer) {
  Json body = question("x", {{"stream", true}, {"n", 4}});
  body.erase("max_tokens");
  for (int i = 0; i < 20; ++i) {
    HttpClient client(server.port());
    client.send(testing::request_text("POST", "/v1/chat/completions", body.dump()));
    if (i % 2 == 0) client.read_head();
    i % 3 == 0 ? client.reset() : client.close();
  }
  server.wait_until_idle();
  const std::uint64_t drawn_tokens = server.engine().counts().decoders.drawn_tokens;
  EXPECT_LT(drawn_tokens, 20u * 4 * 100) << "most answers were cut short";
  EXPECT_EQ(server.post("/v1/chat/completions", question("hello")).status, 200);
}

TEST(Engine, AQueueThatIsFullIsSaidAtOnce) {
  const Scratch scratch;
  TestServer server({save_run(scratch, "small")}, {.most_sequences = 1, .queue = 1});
  Json body = question("x", {{"stream", true}, {"n", 2}});
  body.erase("max_tokens");
  HttpClient busy(server.port());
  busy.send(testing::request_text("POST", "/v1/chat/completions", body.dump()));
  EXPECT_EQ(busy.read_head().status, 200);
  const auto refused = server.post("/v1/chat/completions", question("y"));
  if (refused.status == 200) GTEST_SKIP() << "the first answers had ended already";
  EXPECT_EQ(refused.status, 503);
  EXPECT_FALSE(refused.header("retry-after").empty());
  EXPECT_THAT(refused.body, HasSubstr("unavailable_error"));
}

TEST(Engine, DeterministicAnswersDependOnNothingElse) {
  const Scratch scratch;
  const std::string run = save_run(scratch, "small");
  const Json wanted = question("what else?", {{"logprobs", true}, {"max_tokens", 30}});
  std::vector<Json> alone;
  {
    TestServer server({run}, {.deterministic = true});
    alone.push_back(server.json("/v1/chat/completions", wanted)["choices"]);
    alone.push_back(server.json("/v1/chat/completions", wanted)["choices"]);
    EXPECT_EQ(alone[0], alone[1]) << "the second has its prompt in the cache";
  }
  TestServer server({run}, {.deterministic = true});
  std::vector<std::thread> others;
  for (int i = 0; i < 6; ++i) {
    others.emplace_back([&server, i] {
      server.post("/v1/chat/completions", question("what else? " + std::string(static_cast<std::size_t>(i), 'z'),
                                                   {{"max_tokens", 60}, {"n", 2}}));
    });
  }
  EXPECT_EQ(server.json("/v1/chat/completions", wanted)["choices"], alone[0]);
  for (std::thread& other : others) other.join();
}

TEST(Engine, AReplacedModelAnswersNewRequestsWhileOldOnesEnd) {
  const Scratch scratch;
  const std::string run = save_run(scratch, "small", 10, 7);
  TestServer server({run});
  const Json before = server.json("/v1/completions", {{"prompt", "ab"}, {"max_tokens", 12}, {"seed", 5}});
  HttpClient streaming(server.port());
  streaming.send(testing::request_text(
      "POST", "/v1/completions", Json{{"prompt", "ab"}, {"max_tokens", 12}, {"seed", 5}, {"stream", true}}.dump()));
  streaming.read_head();
  save_run(scratch, "small", 20, 8);
  EXPECT_EQ(server.json("/v1/reload", Json::object())["reloaded"], Json({"small"}));
  EXPECT_EQ(server.json("/v1/reload", Json::object())["reloaded"], Json::array()) << "nothing is newer";
  const Json models = Json::parse(server.get("/v1/models").body);
  EXPECT_EQ(models["data"][0]["meta"]["step"], 20);
  const Json after = server.json("/v1/completions", {{"prompt", "ab"}, {"max_tokens", 12}, {"seed", 5}});
  EXPECT_NE(after["choices"][0]["text"], before["choices"][0]["text"]);
  testing::ClientReply reply;
  for (std::string chunk = streaming.read_chunk(); !chunk.empty(); chunk = streaming.read_chunk()) reply.body += chunk;
  std::string text;
  for (const std::string& event : events_of(reply)) {
    if (event != "[DONE]") text += Json::parse(event)["choices"][0].value("text", "");
  }
  EXPECT_EQ(text, before["choices"][0]["text"]) << "by the weights that it began with";
}

TEST(Engine, TwoModelsSideBySide) {
  const Scratch scratch;
  TestServer server({save_run(scratch, "one", 10, 1), save_run(scratch, "two", 10, 2)});
  const auto text_of = [&](const std::string& name) {
    return server.json("/v1/completions",
                       {{"model", name}, {"prompt", "ab"}, {"max_tokens", 12}, {"seed", 5}})["choices"][0]["text"];
  };
  EXPECT_NE(text_of("one"), text_of("two"));
  EXPECT_EQ(text_of(""), text_of("one"));
  const Json models = Json::parse(server.get("/v1/models").body);
  EXPECT_EQ(models["data"].size(), 2u);
  testing::expect_error_with(ExitCode::usage, {"both named one"}, [&] {
    TestServer({scratch.path("runs/one").string(), scratch.path("runs/one").string()});
  });
}

}  // namespace
}  // namespace kiln
