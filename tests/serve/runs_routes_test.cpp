// The paths of the page of runs, over HTTP, from a server without a model.
#include "kiln/run/metrics.h"
#include "kiln/serve/licenses.h"

#include <gmock/gmock.h>

#include "serve/served_runs.h"
#include "support/tiny_run.h"

namespace kiln {
namespace {

using testing::ClientReply;
using ::testing::HasSubstr;
using testing::Scratch;
using ::testing::SizeIs;
using testing::TestServer;

struct RunsRoutes : ::testing::Test {
  RunsRoutes() {
    Config config = testing::tiny_config(scratch);
    write("a", config, 3);
    config.optimizer.learning_rate = 0.5;
    write("=b \"x\"", config, 2);
  }

  void write(const std::string& name, const Config& config, int rows) const {
    std::string text;
    for (int step = 1; step <= rows; ++step) {
      text += fmt::format("{{\"step\":{0},\"tokens\":{1},\"seconds\":0.5,\"loss\":{0}.25,\"validation_loss\":{2}}}\n",
                          step, 10 * step, step == 2 ? "7" : "null");
    }
    scratch.write("runs/" + name + "/lock", "1\n");
    scratch.write("runs/" + name + "/config.json", config_to_json(config).dump());
    scratch.write("runs/" + name + "/metrics.jsonl", text);
    scratch.write("runs/" + name + "/train.log", "2026-01-02 03:04:05 info: step 2: sample\n<b>hi</b>\n");
  }

  Json json(const std::string& target, int status = 200) const {
    const ClientReply reply = server().get(target);
    EXPECT_EQ(reply.status, status) << reply.body;
    return Json::parse(reply.body, nullptr, false);
  }

  const TestServer& server() const {
    if (!server_)
      server_ = std::make_unique<TestServer>(std::vector<std::string>(), EngineOptions(),
                                             ServiceOptions{.runs = scratch.path("runs")});
    return *server_;
  }

  Scratch scratch;
  mutable std::unique_ptr<TestServer> server_;
};

TEST_F(RunsRoutes, ListsRunsAndMetrics) {
  const Json list = json("/v1/runs");
  ASSERT_THAT(list["runs"], SizeIs(2));
  EXPECT_EQ(list["runs"][1]["name"], "a");
  EXPECT_EQ(list["runs"][1]["step"], 3);
  EXPECT_EQ(list["runs"][1]["last"], Json({{"loss", 3.25}, {"validation_loss", 7}}));
  EXPECT_EQ(list["runs"][1]["is_training"], false);
  EXPECT_EQ(list["runs"][1]["objective"], "next_token");
  EXPECT_THAT(list["metrics"], SizeIs(kMetrics.size()));
  for (const Json& metric : list["metrics"]) EXPECT_NE(metric["group"], "") << metric;
}

TEST_F(RunsRoutes, SendsCurvesWithTheirGaps) {
  const Json reply = json("/v1/series?run=a&run=%3Db+%22x%22&key=loss&key=validation_loss&x=tokens&points=100");
  EXPECT_EQ(reply["runs"][0]["keys"], Json({"loss", "validation_loss"}));
  EXPECT_EQ(reply["runs"][0]["range"], Json({10, 30}));
  ASSERT_THAT(reply["series"], SizeIs(4));
  EXPECT_EQ(reply["series"][0]["x"], Json({10, 20, 30}));
  EXPECT_EQ(reply["series"][0]["y"], Json({1.25, 2.25, 3.25}));
  EXPECT_EQ(reply["series"][3]["run"], "=b \"x\"");
  EXPECT_EQ(reply["series"][3]["x"], Json({20}));
}

TEST_F(RunsRoutes, SendsTablesThatNoSpreadsheetComputes) {
  const ClientReply reply =
      server().get("/v1/series?run=a&run=%3Db%20%22x%22&key=loss&key=validation_loss&format=csv&from=2");
  EXPECT_EQ(reply.header("content-type"), "text/csv; charset=utf-8");
  EXPECT_EQ(reply.body,
            "run,step,tokens,seconds,loss,validation_loss\r\na,2,20,0.5,2.25,7\r\na,3,30,0.5,3.25,\r\n"
            "\"'=b \"\"x\"\"\",2,20,0.5,2.25,7\r\n");
}

TEST_F(RunsRoutes, SendsSamplesAndDifferences) {
  EXPECT_EQ(json("/v1/samples?run=a")["samples"],
            Json({{{"step", 2}, {"time", "2026-01-02 03:04:05"}, {"text", "<b>hi</b>"}}}));
  EXPECT_EQ(json("/v1/config-diff?a=a&b=%3Db%20%22x%22")["differences"],
            Json({{{"pointer", "/optimizer/learning_rate"}, {"a", 0.01}, {"b", 0.5}}}));
  EXPECT_THAT(json("/v1/config-diff?a=a&b=a")["differences"], SizeIs(0));
}

TEST_F(RunsRoutes, RefusesWhatIsWrongByItsName) {
  const std::vector<std::tuple<std::string, int, std::string>> wrong{
      {"/v1/series", 400, "run: is missing"},
      {"/v1/series?run=..%2Fa", 404, "there is no run \"../a\" here"},
      {"/v1/series?run=a%ff", 404, "there is no run"},
      {"/v1/series?run=a&key=loss&pionts=3", 400, "did you mean \"points\"?"},
      {"/v1/series?run=a&points=1", 400, "points"},
      {"/v1/series?run=a&points=1e9", 400, "points"},
      {"/v1/series?run=a&from=x", 400, "from: \"x\" was sent; a number is expected"},
      {"/v1/series?run=a&x=steps", 400, "one of step, tokens, seconds is expected"},
      {"/v1/series?run=a&format=csv", 400, "key: is missing"},
      {"/v1/series?run=%zz", 400, "hexadecimal"},
      {"/v1/samples", 400, "run: is missing"},
      {"/v1/samples?run=a&run=b", 400, "more than once"},
      {"/v1/config-diff?a=a&b=c", 404, "there is no run \"c\" here"},
  };
  for (const auto& [target, status, part] : wrong) {
    EXPECT_THAT(json(target, status)["error"]["message"].get<std::string>(), HasSubstr(part)) << target;
  }
}

TEST_F(RunsRoutes, ServesWithoutAModelAndSaysSo) {
  EXPECT_THAT(server().get("/").body, HasSubstr("<title>Runs: kiln</title>"));
  EXPECT_EQ(json("/v1/models")["data"], Json::array());
  EXPECT_THAT(server().json("/v1/completions", {{"prompt", "a"}}, 404)["error"]["message"], HasSubstr("has no model"));
}

TEST_F(RunsRoutes, NeedAFolder) {
  const TestServer without({});
  EXPECT_THAT(without.get("/v1/samples?run=a").body, HasSubstr("--runs DIR"));
  EXPECT_EQ(without.get("/v1/samples?run=a").status, 404);
  EXPECT_THAT(without.get("/v1/runs").body, HasSubstr("\"has_folder\":false"));
}

TEST_F(RunsRoutes, PrintWhoseWorkThePagesContain) {
  const bool has_curves = json("/v1/runs")["has_curves"];
  EXPECT_EQ(server().get("/dygraph.js").status, has_curves ? 200 : 404);
  EXPECT_THAT(licenses(), HasSubstr(has_curves ? "Permission is hereby granted" : "no library"));
}

}  // namespace
}  // namespace kiln
