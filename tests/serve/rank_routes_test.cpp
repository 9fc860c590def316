// Ranking over HTTP: what raters see and say, their links, and what only the owner sees.
#include "kiln/core/file.h"
#include "kiln/data/rankings.h"
#include "kiln/data/report_json.h"

#include <gmock/gmock.h>

#include "serve/routes.h"
#include "serve/served_runs.h"
#include "support/file_size_limit.h"
#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

namespace kiln {
namespace {

using testing::ClientReply;
using ::testing::ElementsAre;
using testing::FileSizeLimit;
using ::testing::HasSubstr;
using testing::HttpClient;
using ::testing::Not;
using testing::Scratch;
using testing::TestServer;

std::vector<JudgedPrompt> questions_with_answers(int count, int answers = 2) {
  std::vector<JudgedPrompt> prompts;
  for (int i = 0; i < count; ++i) {
    JudgedPrompt& prompt = prompts.emplace_back();
    prompt.messages = {{ChatRole::system, "Be kind."}, {ChatRole::user, "question " + std::to_string(i)}};
    for (int k = 0; k < answers; ++k) {
      prompt.answers.push_back({.text = fmt::format("answer {} {}", k, i), .source = fmt::format("source-{}", k)});
    }
  }
  return prompts;
}

/// A server without a model, and what is asked of it as the owner or as a rater.
struct RankServer {
  explicit RankServer(std::vector<JudgedPrompt> prompts, const std::string& key = "", double repeat = 0)
      : key(key), prompts(std::move(prompts)) {
    start(repeat);
  }

  void start(double repeat = 0) {
    server.reset();
    server = std::make_unique<TestServer>(
        std::vector<std::string>{}, EngineOptions{},
        ServiceOptions{
            .access = {.key = key},
            .data = scratch.path("data"),
            .ranking = RankingOptions{.prompts = prompts, .file = file(), .owner = "owner", .repeat = repeat}});
  }

  std::filesystem::path file() const { return scratch.path("r.jsonl"); }

  ClientReply ask(std::string_view method, std::string_view path, const Json& body, const std::string& token) const {
    const std::string bearer = token.empty() ? "" : "Authorization: Bearer " + token + "\r\n";
    return HttpClient(server->port()).ask(method, path, body.is_null() ? "" : body.dump(), bearer);
  }

  Json get(std::string_view path, const std::string& token = "", int status = 200) const {
    const ClientReply reply = ask("GET", path, Json(), token.empty() ? key : token);
    EXPECT_EQ(reply.status, status) << path << reply.body;
    return Json::parse(reply.body, nullptr, false);
  }

  Json post(std::string_view path, const Json& body, const std::string& token = "", int status = 200) const {
    const ClientReply reply = ask("POST", path, body, token.empty() ? key : token);
    EXPECT_EQ(reply.status, status) << path << body << reply.body;
    return Json::parse(reply.body, nullptr, false);
  }

  std::string token_of(const std::string& name) const { return post("/v1/raters", {{"name", name}})["token"]; }

  JudgedPrompts judged() const {
    const std::filesystem::path path = file();
    return read_judgements(std::span(&path, 1));
  }

  Scratch scratch;
  std::string key;
  std::vector<JudgedPrompt> prompts;
  std::unique_ptr<TestServer> server;
};

Json verdict(const Json& state, const Json& order) { return {{"showing", state["showing"]["id"]}, {"order", order}}; }

TEST(RankRoutes, ShowWhatTheTerminalWouldShowWithoutSources) {
  const RankServer server(questions_with_answers(3, 3));
  const Json state = server.get("/v1/rank");
  const std::vector<Showing> showings = showings_for(server.prompts, "owner", 1, 0);
  EXPECT_EQ(state["rater"], "owner");
  EXPECT_EQ(state["is_owner"], true);
  EXPECT_EQ(state["progress"], Json({{"done", 0}, {"total", 3}}));
  EXPECT_TRUE(state["last"].is_null());
  EXPECT_EQ(state["showing"]["messages"][1], Json({{"role", "user"}, {"content", "question 0"}}));
  Json answers = Json::array();
  for (const std::size_t answer : showings[0].shown()) answers.push_back(server.prompts[0].answers[answer].text);
  EXPECT_EQ(state["showing"]["answers"], answers);
  EXPECT_THAT(state.dump(), Not(HasSubstr("source-")));
  EXPECT_THAT(state.dump(), Not(HasSubstr(showings[0].item))) << "a hash of what names the sources";
}

TEST(RankRoutes, KeepOrdersTiesEditsAndNotesAsTheTerminalDoes) {
  const RankServer server(questions_with_answers(4, 3));
  const std::vector<Showing> showings = showings_for(server.prompts, "owner", 1, 0);
  Json state = server.get("/v1/rank");
  Json first = verdict(state, {{2}, {0, 1}});
  first.update({{"note", " why\n"}, {"seconds", 1.234}});
  state = server.post("/v1/rank", first);
  EXPECT_EQ(state["progress"]["done"], 1);
  EXPECT_EQ(state["showing"]["messages"][1]["content"], "question 1");
  state = server.post("/v1/rank", verdict(state, {{1}}));
  Json third = {{"showing", state["showing"]["id"]}, {"skip", true}, {"edit", "mine"}};
  state = server.post("/v1/rank", third);
  state = server.post("/v1/rank", {{"showing", state["showing"]["id"]}, {"skip", true}});
  EXPECT_TRUE(state["showing"].is_null()) << "all is judged";
  EXPECT_EQ(state["progress"]["done"], 4);
  const JudgedPrompts judged = server.judged();
  ASSERT_EQ(judged.prompts.size(), 3u);
  const auto shown = [&](std::size_t prompt, std::size_t place) { return showings[prompt].shown()[place]; };
  EXPECT_THAT(judged.prompts[0].judgements[0].order,
              ElementsAre(ElementsAre(shown(0, 2)), ElementsAre(shown(0, 0), shown(0, 1))));
  EXPECT_EQ(judged.prompts[0].judgements[0].shown, showings[0].shown());
  EXPECT_THAT(judged.prompts[1].judgements[0].order, ElementsAre(ElementsAre(shown(1, 1))));
  EXPECT_EQ(judged.prompts[1].judgements[0].rest.size(), 2u);
  EXPECT_EQ(judged.prompts[2].answers[3].text, "mine");
  EXPECT_EQ(judged.census.skips, 1);
  EXPECT_EQ(judged.census.raters.at("owner"), 3);
  EXPECT_THAT(read_file(server.file()), HasSubstr(R"("note":"why","seconds":1.2})"));
}

TEST(RankRoutes, TakeBackTheLastAlsoOfAnEarlierStart) {
  RankServer server(questions_with_answers(2));
  Json state = server.get("/v1/rank");
  const Json first = state["showing"];
  state = server.post("/v1/rank", verdict(state, {{0}}));
  EXPECT_EQ(state["last"], first["id"]);
  server.post("/v1/rank/undo", {{"last", "x"}}, "", 409);
  server.start();
  state = server.get("/v1/rank");
  EXPECT_EQ(state["progress"]["done"], 1);
  EXPECT_NE(state["last"], first["id"]) << "ids are new with each start";
  state = server.post("/v1/rank/undo", {{"last", state["last"]}});
  EXPECT_EQ(state["showing"]["messages"], first["messages"]);
  EXPECT_EQ(state["showing"]["answers"], first["answers"]);
  EXPECT_TRUE(state["last"].is_null());
  EXPECT_THAT(server.post("/v1/rank/undo", Json::object(), "", 409)["error"]["message"],
              HasSubstr("there is nothing to take back"));
  EXPECT_EQ(server.judged().census.undone, 1);
}

TEST(RankRoutes, RefuseWhatDoesNotFit) {
  RankServer server(questions_with_answers(2, 3));
  const Json state = server.get("/v1/rank");
  const auto refuse = [&](Json body, const std::string& param, const std::string& part) {
    if (!body.contains("showing")) body["showing"] = state["showing"]["id"];
    const Json error = server.post("/v1/rank", body, "", 400)["error"];
    EXPECT_EQ(error["param"], param) << body;
    EXPECT_THAT(error["message"], HasSubstr(part)) << body;
  };
  refuse({{"order", {{0}, {1, 0}}}}, "order", "a stands twice; name each answer once");
  refuse({{"order", {{3}}}}, "order", "answer number 3 of the order does not exist");
  refuse({{"order", {{-1}}}}, "order", "an integer");
  refuse({{"order", {{0}, Json::array()}}}, "order", "empty group");
  refuse({{"order", Json::array()}}, "order", "names no answer");
  refuse({{"order", {0}}}, "order", "an array of the numbers");
  refuse({{"order", "a"}}, "order", "an array is expected");
  refuse(Json::object(), "order", "give either \"order\" or \"skip\": true, not both");
  refuse({{"order", {{0}}}, {"skip", true}}, "order", "give either \"order\" or \"skip\": true, not both");
  refuse({{"skip", true}, {"seconds", -1}}, "seconds", "a number");
  refuse({{"skip", true}, {"edit", std::string(100'001, 'x')}}, "edit", "100,000 bytes");
  refuse({{"skip", true}, {"ordr", {{0}}}}, "ordr", "did you mean \"order\"?");
  refuse({{"showing", ""}, {"skip", true}}, "showing", "missing");
  EXPECT_EQ(server.ask("GET", "/v1/rank/undo", Json(), "").status, 405);
  EXPECT_EQ(read_file(server.file()), "") << "nothing was kept";
}

TEST(RankRoutes, AStaleJudgementIsAConflict) {
  RankServer server(questions_with_answers(3));
  const Json state = server.get("/v1/rank");
  const Json body = verdict(state, {{0}});
  server.post("/v1/rank", body);
  EXPECT_THAT(server.post("/v1/rank", body, "", 409)["error"]["message"], HasSubstr("judged already"));
  EXPECT_THAT(server.post("/v1/rank", {{"showing", "0123"}, {"skip", true}}, "", 409)["error"]["message"],
              HasSubstr("load the page again"));
  const Json second = server.get("/v1/rank");
  const std::vector<Showing> showings = showings_for(server.prompts, "owner", 1, 0);
  RankingLog terminal(server.file(), "owner");  // kiln rank
  terminal.add(server.prompts[1], showings[1], {.order = {{0}, {1}}}, "2026-01-31T12:00:00Z");
  EXPECT_THAT(server.post("/v1/rank", verdict(second, {{0}}), "", 409)["error"]["message"],
              HasSubstr("in another window or program"));
  EXPECT_EQ(server.get("/v1/rank")["showing"]["messages"][1]["content"], "question 2");
  server.post("/v1/rank/undo", {{"last", second["last"]}}, "", 409);
  EXPECT_EQ(server.judged().census.judgements, 2);
}

TEST(RankRoutes, AFullDiskIsSaidAndNothingIsLost) {
  RankServer server(questions_with_answers(2));
  const Json state = server.post("/v1/rank", verdict(server.get("/v1/rank"), {{0}}));
  const std::string before = read_file(server.file());
  {
    const FileSizeLimit limit(before.size() + 20);
    EXPECT_THAT(server.post("/v1/rank", verdict(state, {{0}}), "", 507)["error"]["message"],
                HasSubstr("the judgement is not saved: "));
    server.post("/v1/rank/undo", {{"last", state["last"]}}, "", 507);
    EXPECT_EQ(read_file(server.file()), before);
    EXPECT_EQ(server.get("/v1/rank"), state);
  }
  EXPECT_EQ(server.post("/v1/rank", verdict(state, {{0}}))["progress"]["done"], 2);
}

TEST(RankRoutes, ALinkLetsARaterRankAndNothingElse) {
  const RankServer server(questions_with_answers(3), "sesame");
  EXPECT_EQ(server.ask("GET", "/v1/rank", Json(), "").status, 401);
  EXPECT_EQ(server.ask("GET", "/v1/rank", Json(), "wrong").status, 401);
  const Json made = server.post("/v1/raters", {{"name", "ann"}});
  const std::string token = made["token"];
  EXPECT_EQ(made["path"], "/rank#token=" + token);
  EXPECT_EQ(token.size(), std::string("kiln-rater-").size() + 64);
  EXPECT_NE(token, server.token_of("bob"));
  const Json state = server.get("/v1/rank", token);
  EXPECT_EQ(state["rater"], "ann");
  EXPECT_EQ(state["is_owner"], false);
  server.post("/v1/rank", verdict(state, {{0}}), token);
  EXPECT_EQ(server.judged().census.raters.at("ann"), 1);
  EXPECT_EQ(server.get("/v1/rank")["progress"]["done"], 0) << "the owner has judged nothing";
  for (const char* path : {"/v1/models", "/v1/runs", "/v1/conversations", "/v1/rank/report", "/v1/raters", "/metrics",
                           "/props", "/v1/checkpoints", "/nothing"}) {
    EXPECT_EQ(server.ask("GET", path, Json(), token).status, 403) << path;
  }
  for (const char* path : {"/v1/raters", "/v1/raters/revoke", "/v1/chat/completions", "/v1/feedback", "/v1/reload",
                           "/tokenize", "/v1/inspect", "/nothing"}) {
    EXPECT_EQ(server.ask("POST", path, {{"name", "eve"}}, token).status, 403) << path;
  }
  EXPECT_EQ(server.ask("GET", "/health", Json(), token).status, 200);
  const ClientReply page = server.ask("GET", "/rank", Json(), "");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.header("referrer-policy"), "no-referrer");
}

TEST(RankRoutes, EveryRouteIsTheOwnersUnlessItSaysOtherwise) {
  const RankServer server(questions_with_answers(1), "sesame");
  const std::string token = server.token_of("ann");
  std::set<std::string> open;
  for (const Route& route : kRoutes) {
    const bool is_post = route.method == "POST";
    const int status = server.ask(route.method, route.path, is_post ? Json::object() : Json(), token).status;
    if (status != 403) open.insert(std::string(route.path));
  }
  EXPECT_THAT(open, ElementsAre("/health", "/v1/health", "/v1/rank", "/v1/rank/own-report", "/v1/rank/undo"));
}

TEST(RankRoutes, LinksAreListedRevokedAndSurviveARestart) {
  RankServer server(questions_with_answers(2));
  const std::string ann = server.token_of("ann"), bob = server.token_of("bob"), old = server.token_of("zoë");
  const std::string zoe = server.token_of("zoë");
  server.get("/v1/rank", old, 401);
  server.start();
  EXPECT_EQ(server.get("/v1/rank", ann)["rater"], "ann");
  EXPECT_EQ(server.get("/v1/rank", zoe)["rater"], "zoë");
  const Json list = server.get("/v1/raters")["data"];
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0]["name"], "ann");
  EXPECT_THAT(list.dump(), Not(HasSubstr("kiln-rater-")));
  server.post("/v1/raters/revoke", {{"name", "ann"}});
  EXPECT_THAT(server.get("/v1/rank", ann, 401)["error"]["message"], HasSubstr("ask for a new one"))
      << "without a key, a revoked rater does not become the owner";
  EXPECT_EQ(server.get("/v1/rank", bob)["rater"], "bob");
  server.post("/v1/raters/revoke", {{"name", "ann"}}, "", 404);
  server.get("/v1/rank", "kiln-rater-" + std::string(64, '0'), 401);
  EXPECT_EQ(server.get("/v1/rank", "some-client")["rater"], "owner") << "clients send keys that nobody asked for";
  const std::filesystem::path file = server.scratch.path("data/raters.jsonl");
  const std::string kept = read_file(file);
  for (const std::string& token : {ann, bob, zoe}) EXPECT_THAT(kept, Not(HasSubstr(token.substr(11))));
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(file).permissions(), perms::owner_read | perms::owner_write);
  for (const char* name : {"", " ann", "a\nb", "a\x1b[2J"}) server.post("/v1/raters", {{"name", name}}, "", 400);
  server.post("/v1/raters", {{"name", std::string(101, 'x')}}, "", 400);
}

TEST(RankRoutes, RatersSeeTheirOwnConsistencyTheOwnerAll) {
  const RankServer server(questions_with_answers(30), "sesame", 1);
  const std::string ann = server.token_of("ann");
  Json state = server.get("/v1/rank", ann);
  EXPECT_EQ(state["progress"]["total"], 60);
  while (!state["showing"].is_null()) {
    const Json& answers = state["showing"]["answers"];
    const bool is_first = answers[0].get<std::string>() < answers[1].get<std::string>();
    state = server.post("/v1/rank", verdict(state, {{is_first ? 0 : 1}}), ann);
  }
  const Json own = server.get("/v1/rank/own-report", ann);
  EXPECT_EQ(own["judgements"], 60);
  EXPECT_EQ(own["within_raters"]["decided"]["share"], 1.0);
  EXPECT_EQ(own["within_raters"]["decided"]["trials"], 30.0);
  EXPECT_THAT(own.dump(), Not(HasSubstr("source")));
  EXPECT_EQ(server.get("/v1/rank/own-report")["judgements"], 0) << "the owner's own";
  const JudgedPrompts judged = server.judged();
  EXPECT_EQ(server.get("/v1/rank/report"), report_json(judged.census, report_on(judged.prompts)));
  EXPECT_EQ(server.get("/v1/rank/report")["sources"][0]["source"], "source-0");
  server.post("/v1/rank", verdict(server.get("/v1/rank"), {{1}}));
  EXPECT_EQ(server.get("/v1/rank/report")["counts"]["judgements"], 61) << "it is live";
  EXPECT_EQ(server.get("/v1/rank/own-report", ann)["judgements"], 60);
}

TEST(RankRoutes, SeveralRatersAndTheTerminalWriteAtOnce) {
  const RankServer server(questions_with_answers(25));
  std::vector<std::thread> people;
  for (const std::string name : {"ann", "bob", "cid"}) {
    people.emplace_back([&server, name, token = server.token_of(name)] {
      for (Json state = server.get("/v1/rank", token); !state["showing"].is_null();)
        state = server.post("/v1/rank", verdict(state, {{0}}), token);
    });
  }
  people.emplace_back([&server] {
    RankingLog log(server.file(), "dan");
    for (const Showing& showing : showings_for(server.prompts, "dan", 1, 0))
      log.add(server.prompts[showing.prompt], showing, {.order = {{0}, {1}}}, "2026-01-31T12:00:00Z");
  });
  for (std::thread& person : people) person.join();
  const JudgedPrompts judged = server.judged();
  for (const char* name : {"ann", "bob", "cid", "dan"}) EXPECT_EQ(judged.census.raters.at(name), 25) << name;
  EXPECT_EQ(judged.census.undone, 0);
}

TEST(RankRoutes, SayThatThereIsNothingToRank) {
  const Scratch scratch;
  const TestServer server({}, {}, {.data = scratch.path("data")});
  for (const char* path : {"/v1/rank", "/v1/rank/report", "/v1/raters"}) {
    const ClientReply reply = server.get(path);
    EXPECT_EQ(reply.status, 404);
    EXPECT_THAT(reply.body, HasSubstr("--rank answers.jsonl --rankings rankings.jsonl"));
  }
  EXPECT_FALSE(path_exists(scratch.path("data/raters.jsonl"))) << "no file without need";
}

TEST(RankRoutes, WithoutAFolderForDataThereAreNoLinks) {
  const Scratch scratch;
  const TestServer server({}, {},
                          {.ranking = RankingOptions{
                               .prompts = questions_with_answers(1), .file = scratch.path("r.jsonl"), .owner = "me"}});
  EXPECT_EQ(server.get("/v1/rank").status, 200);
  EXPECT_THAT(server.json("/v1/raters", {{"name", "ann"}}, 404)["error"]["message"], HasSubstr("--data DIR"));
  EXPECT_THAT(server.get("/").body, HasSubstr("/rank.js")) << "the first page that there is something for";
}

}  // namespace
}  // namespace kiln
