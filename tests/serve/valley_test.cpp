// The loss over a plane, as the server streams it: planes, the run's path, and requests that end early.
#include "serve/valley.h"

#include "kiln/core/file.h"
#include "kiln/data/batcher.h"
#include "kiln/data/dataset.h"
#include "kiln/train/batch_loss.h"
#include "kiln/train/descent.h"
#include "kiln/train/weight_plane.h"

#include <gmock/gmock.h>

#include "serve/served_runs.h"
#include <cmath>
#include <cstdint>
#include <future>
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::events_of;
using ::testing::HasSubstr;
using testing::save_run;
using testing::Scratch;
using testing::TestServer;

const std::string kValleyText = "One two one two";

struct ValleyRoutes : ::testing::Test {
  /// Returns the events of a valley: the plane, then the points.
  std::vector<Json> valley(const Json& more = Json::object()) const {
    Json body = {{"text", kValleyText}, {"size", 11}};
    body.update(more);
    const testing::ClientReply reply = server.post("/v1/inspect/valley", body);
    EXPECT_EQ(reply.status, 200) << reply.body;
    std::vector<std::string> events = events_of(reply);
    EXPECT_EQ(events.back(), "[DONE]");
    events.pop_back();
    std::vector<Json> read;
    for (const std::string& event : events) read.push_back(Json::parse(event));
    return read;
  }
  std::string refusal(const Json& more) const {
    Json body = {{"text", kValleyText}, {"size", 11}};
    body.update(more);
    return server.json("/v1/inspect/valley", body, 400)["error"]["message"];
  }

  Scratch scratch;
  std::string run = save_run(scratch, "small", 10);
  TestServer server{{run}};
};

TEST_F(ValleyRoutes, EachPointIsTheLossAtItsWeights) {
  const std::vector<Json> events = valley({{"seed", 5}, {"extent", 0.5}});
  ASSERT_EQ(events.size(), 1U + 11U * 11U);
  const Json& plane = events.front();
  EXPECT_EQ(plane["directions"], "random");
  EXPECT_EQ(plane["alphas"][0], -0.5);
  EXPECT_EQ(plane["alphas"][5], 0);
  EXPECT_EQ(events[1]["row"], 5) << "the middle comes first";
  EXPECT_EQ(events[1]["column"], 5);
  EXPECT_EQ(events[1]["loss"], plane["loss"]) << "the model itself";

  const Engine::Model model = server.engine().model("");
  ParameterBuffer<float> origin = copy_of_weights(model->view());
  ParameterBuffer<float> first(origin.layout()), second(origin.layout()), point(origin.layout());
  for (const Parameter& p : origin.layout().parameters()) {
    draw_direction(origin, p, 5, "first", first);
    draw_direction(origin, p, 5, "second", second);
  }
  BatchLoss loss(model->config(), model->view().vocab_size, batch_of_text(model->tokenizer().encode(kValleyText), 1),
                 BatchLoss::Needs::loss);
  EXPECT_NEAR(plane["loss"].get<double>(), loss.loss(origin), 1e-6);
  for (const std::size_t i : {std::size_t{1}, std::size_t{40}, std::size_t{121}}) {
    const auto alpha = plane["alphas"][events[i]["column"].get<std::size_t>()].get<double>();
    const auto beta = plane["betas"][events[i]["row"].get<std::size_t>()].get<double>();
    WeightPlane{origin, first, second}.write_point(alpha, beta, point);
    EXPECT_NEAR(events[i]["loss"].get<double>(), loss.loss(point), 1e-5);
  }
}

TEST_F(ValleyRoutes, TheRunsPathLiesInItsOwnPlane) {
  save_run(scratch, "small", 0, 98);
  save_run(scratch, "small", 5, 99);
  const Json plane = valley({{"directions", "run"}}).front();
  ASSERT_EQ(plane["path"].size(), 3U);
  EXPECT_NEAR(plane["variance"][0].get<double>() + plane["variance"][1].get<double>(), 1, 1e-6) << "3 points";
  EXPECT_GE(plane["variance"][0], plane["variance"][1]);
  for (const Json& stop : plane["path"]) {
    EXPECT_LT(stop["distance"].get<double>(), 1e-3 * (1 + stop["length"].get<double>()));
    EXPECT_TRUE(stop["loss"].is_number());
    EXPECT_GE(stop["alpha"], plane["alphas"].front());
    EXPECT_LE(stop["beta"], plane["betas"].back());
  }
  EXPECT_EQ(plane["path"][2]["step"], 10);
  EXPECT_EQ(plane["path"][2]["alpha"], 0);
  EXPECT_EQ(plane["path"][2]["loss"], plane["loss"]);
  EXPECT_LT(plane["path"][0]["alpha"], 0);
}

TEST_F(ValleyRoutes, ARandomPlaneSaysHowFarThePathIsFromIt) {
  save_run(scratch, "small", 0, 98);
  const Json plane = valley().front();
  EXPECT_TRUE(plane["variance"].is_null());
  ASSERT_EQ(plane["path"].size(), 2U);
  EXPECT_GT(plane["path"][0]["distance"].get<double>(), 0.5 * plane["path"][0]["length"].get<double>());
  EXPECT_EQ(plane["path"][1]["distance"], 0);
  EXPECT_EQ(plane["left_out"], 0);
}

TEST_F(ValleyRoutes, ManyCheckpointsAreThinnedEvenly) {
  for (std::int64_t step = 0; step < 20; ++step) {
    if (step != 10) save_run(scratch, "small", step, 50 + static_cast<std::uint64_t>(step), 30);
  }
  const Json plane = valley({{"checkpoint", 10}}).front();
  const Json list = Json::parse(server.get("/v1/checkpoints").body)["data"];
  ASSERT_EQ(list.size(), 20U);
  EXPECT_EQ(plane["path"].size(), 16U);
  EXPECT_EQ(plane["left_out"], 4);
  EXPECT_EQ(plane["path"].front()["step"], list.front()["step"]);
  EXPECT_EQ(plane["path"].back()["step"], list.back()["step"]);
}

TEST_F(ValleyRoutes, TheHeldOutTextOfARunMayBeScored) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += fmt::format("{} and ", i);
  write_file_atomically(scratch.path("numbers.txt"), text);
  DataConfig data;
  data.train = {scratch.path("numbers.txt").string()};
  data.validation_fraction = 0.5;
  const Dataset dataset =
      encode_corpus(Corpus(data), testing::served_tokenizer(), {}, scratch.path("runs/numbers/tokens"));
  const TestServer numbers({save_run(scratch, "numbers", 10, 7, 10, dataset.digest())});
  const testing::ClientReply reply = numbers.post("/v1/inspect/valley", {{"data", "held_out"}, {"size", 11}});
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json plane = Json::parse(events_of(reply).front());
  Batch batch;
  EvaluationBatches(dataset.validation, testing::kServedContext, 1, testing::kServedContext).fill(0, batch);
  EXPECT_EQ(plane["tokens"], batch.targets.size());
  const Engine::Model model = server.engine().model("");  // the same weights
  ParameterBuffer<float> origin = copy_of_weights(model->view());
  BatchLoss loss(model->config(), model->view().vocab_size, batch, BatchLoss::Needs::loss);
  EXPECT_NEAR(plane["loss"].get<double>(), loss.loss(origin), 1e-5);
}

TEST_F(ValleyRoutes, WhatCannotBeDrawnIsRefused) {
  EXPECT_THAT(refusal({{"directions", "run"}}),
              HasSubstr("small has 1 checkpoint, and the directions of a run need at least 3"));
  EXPECT_THAT(refusal({{"size", 12}}), HasSubstr("an odd number is expected"));
  EXPECT_THAT(refusal({{"size", 33}}), HasSubstr("size"));
  EXPECT_THAT(refusal({{"text", "x"}}), HasSubstr("at least two are needed"));
  EXPECT_THAT(refusal({{"directions", "west"}}), HasSubstr("random or run"));
  EXPECT_THAT(refusal({{"tokens", {1, 2}}}), HasSubstr("send one of text and tokens"));
  EXPECT_THAT(refusal({{"data", "held_out"}}), HasSubstr("send one of them"));
  const Json reply = server.json("/v1/inspect/valley", {{"data", "held_out"}}, 404);
  EXPECT_THAT(std::string(reply["error"]["message"]), HasSubstr("small holds no tokens of held-out text; send a text"));
}

TEST_F(ValleyRoutes, EndsWhenTheClientGoesAndHoldsUpNoOther) {
  PiecewiseWork work(server.engine());
  ValleyRequest request;
  request.input = kValleyText;
  request.size = 31;
  const auto response = std::make_shared<testing::IgnoredResponse>();
  begin_valley(work, {.served = server.engine().model(""), .shelved = nullptr, .choice = {}}, request, response);
  response->wait_for_pieces(3);
  EXPECT_EQ(server.json("/v1/inspect", {{"text", kValleyText}})["model"], "small") << "answered in between";
  response->go();
  std::promise<void> next;
  work.add([&next] {
    next.set_value();
    return false;
  });
  next.get_future().get();
  EXPECT_LT(response->pieces(), 31 * 31) << "it ended early";
  EXPECT_FALSE(response->has_ended());
}

}  // namespace
}  // namespace kiln
