// Sessions of gradient steps: what they say against the library, their actions, and how they end.
#include "kiln/train/descent.h"

#include <gmock/gmock.h>

#include "serve/served_runs.h"
#include "serve/step_sessions.h"
#include <chrono>
#include <cmath>
#include <string>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::save_run;
using testing::Scratch;
using testing::TestServer;

const std::string kStepped = "Believe truth! Shun";

struct StepRoutes : ::testing::Test {
  Json step(const Json& body, int status = 200) const { return server.json("/v1/inspect/step", body, status); }
  Json begin(const Json& more = Json::object()) const {
    Json body = {{"text", kStepped}};
    body.update(more);
    return step(body);
  }
  Json act(const Json& begun, const std::string& action, double rate = 0.01) const {
    return step({{"session", begun["session"]}, {"action", action}, {"rate", rate}})["state"];
  }
  std::string refusal(const Json& body, int status = 400) const { return step(body, status)["error"]["message"]; }

  Scratch scratch;
  std::string run = save_run(scratch, "small", 10);
  TestServer server{{run}};
};

TEST_F(StepRoutes, ASessionBeginsWithTheGradientOfTheLibrary) {
  const Json reply = begin({{"target", " er"}, {"top", 3}});
  const Engine::Model model = server.engine().model("");
  const std::vector<TokenId> tokens = model->tokenizer().encode(kStepped + " er");
  const Batch batch = batch_of_text(tokens, std::ssize(kStepped));
  Descent descent(model->view(), batch, StepSessions::kMostBytes);
  EXPECT_EQ(reply["model"], "small");
  EXPECT_EQ(reply["checkpoint"], 10);
  EXPECT_EQ(reply["first"], std::ssize(kStepped));
  EXPECT_EQ(reply["tokens"].size(), tokens.size());
  const Json& state = reply["state"];
  EXPECT_NEAR(state["loss"].get<double>(), descent.loss(), 1e-6);
  ASSERT_EQ(state["targets"].size(), 3U);
  double loss = 0;
  for (const Json& target : state["targets"]) {
    EXPECT_NEAR(std::exp(-target["loss"].get<double>()), target["probability"].get<double>(), 1e-6);
    loss += target["loss"].get<double>() / 3;
  }
  EXPECT_NEAR(loss, descent.loss(), 1e-5);
  EXPECT_EQ(state["targets"][1]["text"], "e");
  EXPECT_EQ(state["top"].size(), 3U);
  const std::vector<TensorNorms> norms = descent.norms();
  ASSERT_EQ(reply["tensors"].size(), norms.size());
  ASSERT_EQ(state["gradient"]["tensors"].size(), norms.size());
  double squares = 0;
  for (std::size_t i = 0; i < norms.size(); ++i) {
    EXPECT_EQ(reply["tensors"][i]["name"], descent.weights().layout()[norms[i].id].name);
    EXPECT_NEAR(state["gradient"]["tensors"][i][0].get<double>(), norms[i].gradient, 1e-4 * norms[i].gradient + 1e-9);
    EXPECT_NEAR(state["gradient"]["tensors"][i][1].get<double>(), norms[i].weights, 1e-4 * norms[i].weights + 1e-9);
    squares += norms[i].gradient * norms[i].gradient;
  }
  EXPECT_NEAR(state["gradient"]["norm"].get<double>(), std::sqrt(squares), 1e-4 * std::sqrt(squares));
}

TEST_F(StepRoutes, StepsMakeTheTargetMoreProbableAndUndoTakesThemBack) {
  const Json begun = begin();
  const Json one = act(begun, "step"), two = act(begun, "step");
  EXPECT_EQ(two["steps"], 2);
  EXPECT_GT(one["targets"][0]["probability"], begun["state"]["targets"][0]["probability"]);
  EXPECT_GT(two["targets"][0]["probability"], one["targets"][0]["probability"]);
  EXPECT_LT(two["loss"], one["loss"]);
  EXPECT_EQ(act(begun, "undo"), one);
  EXPECT_EQ(act(begun, "undo"), begun["state"]);
  EXPECT_THAT(refusal({{"session", begun["session"]}, {"action", "undo"}}), HasSubstr("there is no step to take back"));
  act(begun, "step");
  EXPECT_EQ(act(begun, "reset"), begun["state"]);
  EXPECT_THAT(refusal({{"session", begun["session"]}, {"rate", 1000}, {"action", "stepp"}}),
              HasSubstr("step or undo or reset or end"));
}

TEST_F(StepRoutes, TheServedWeightsStayAsTheyAre) {
  const auto look = [&] { return server.json("/v1/inspect", {{"text", kStepped}})["positions"]; };
  const Json before = look();
  const Json begun = begin();
  for (int i = 0; i < 3; ++i) act(begun, "step", 1);
  EXPECT_EQ(look(), before);
}

TEST_F(StepRoutes, AllPositionsMayBeScored) {
  const Json all = begin({{"loss", "all"}}), last = begin();
  const Json positions = server.json("/v1/inspect", {{"text", kStepped}})["positions"];
  double sum = 0;
  for (std::size_t i = 0; i + 1 < positions.size(); ++i) sum += positions[i]["next"]["loss"].get<double>();
  EXPECT_NEAR(all["state"]["loss"].get<double>(), sum / static_cast<double>(positions.size() - 1), 1e-4);
  EXPECT_NEAR(last["state"]["loss"].get<double>(), positions[positions.size() - 2]["next"]["loss"].get<double>(), 1e-4);
}

TEST_F(StepRoutes, AnotherSessionEndsTheOneBefore) {
  const Json first = begin(), second = begin();
  EXPECT_THAT(refusal({{"session", first["session"]}, {"rate", 0.1}}, 404),
              HasSubstr("another one has begun, or it was not used for 10 minutes"));
  EXPECT_EQ(act(second, "step")["steps"], 1);
  EXPECT_TRUE(step({{"session", second["session"]}, {"action", "end"}})["session"].is_null());
  step({{"session", second["session"]}, {"action", "reset"}}, 404);
}

TEST_F(StepRoutes, ASessionThatIsNotUsedEnds) {
  PiecewiseWork work(server.engine());
  StepSessions sessions(work, std::chrono::milliseconds(50));
  StepRequest request;
  request.input = kStepped;
  sessions.begin({.served = server.engine().model(""), .shelved = nullptr, .choice = {}}, request,
                 std::make_shared<testing::IgnoredResponse>());
  for (int i = 0; i < 500 && sessions.has_session(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(sessions.has_session());
}

TEST_F(StepRoutes, WhatCannotBeComputedIsRefused) {
  EXPECT_THAT(refusal({{"text", "x"}}), HasSubstr("name a target, or add a token to the text"));
  EXPECT_THAT(refusal({{"text", std::string(testing::kServedContext, 'a')}, {"target", "b"}}),
              HasSubstr("the model reads at most 160"));
  EXPECT_THAT(refusal({{"target", "b"}}), HasSubstr("send one of text and tokens"));
  EXPECT_THAT(refusal({{"text", "xy"}, {"loss", "some"}}), HasSubstr("target or all"));
  const Json begun = begin();
  EXPECT_THAT(refusal({{"session", begun["session"]}}), HasSubstr("a step needs one, such as 0.01"));
  EXPECT_THAT(refusal({{"session", begun["session"]}, {"rate", 0}}), HasSubstr("rate"));
  EXPECT_THAT(refusal({{"session", "x"}, {"rate", 0.1}}, 404), HasSubstr("there is no session x"));
}

TEST_F(StepRoutes, ACheckpointMayBeStepped) {
  save_run(scratch, "small", 0, 99);
  EXPECT_NE(begin({{"checkpoint", 0}})["state"]["loss"], begin()["state"]["loss"]);
  EXPECT_EQ(begin({{"checkpoint", 10}})["state"], begin()["state"]);
  EXPECT_EQ(begin({{"checkpoint", "untrained"}})["checkpoint"], "untrained");
}

}  // namespace
}  // namespace kiln
