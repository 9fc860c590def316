// What a server tells of a model's inside, against the library: predictions, checkpoints, attention, layers,
// embeddings.
#include "kiln/infer/inspect.h"

#include "kiln/infer/embedding_map.h"

#include <gmock/gmock.h>

#include "serve/served_runs.h"

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::save_run;
using testing::Scratch;
using testing::TestServer;

const std::string kInspected = "One two one two";

struct InspectRoutes : ::testing::Test {
  InspectRoutes() { save_run(scratch, "small", 0, Config().seed); }

  Json inspect_json(const Json& more = Json::object(), int status = 200) const {
    Json body = {{"text", kInspected}};
    body.update(more);
    return server.json("/v1/inspect", body, status);
  }
  std::string refusal(const Json& more) const { return inspect_json(more, 400)["error"]["message"]; }

  Scratch scratch;
  std::string run = save_run(scratch, "small", 10);
  TestServer server{{run}};
};

TEST_F(InspectRoutes, PredictionsAreThoseOfTheLibrary) {
  const Engine::Model model = server.engine().model("");
  const std::vector<TokenId> tokens = model->tokenizer().encode(kInspected);
  const Inspection wanted = inspect(model->view(), tokens, 3);
  const Json reply = inspect_json({{"top", 3}});
  EXPECT_EQ(reply["model"], "small");
  EXPECT_EQ(reply["checkpoint"], 10);
  ASSERT_EQ(reply["tokens"].size(), tokens.size());
  EXPECT_EQ(reply["tokens"][3], Json({{"id", ' '}, {"text", " "}, {"bytes", {32}}}));
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    const Json& position = reply["positions"][i];
    EXPECT_EQ(position["next"]["rank"], wanted.predictions[i].rank);
    EXPECT_NEAR(position["next"]["probability"].get<double>(), wanted.predictions[i].probability, 1e-8);
    EXPECT_NEAR(position["next"]["loss"].get<double>(), wanted.predictions[i].loss, 1e-4);
    ASSERT_EQ(position["top"].size(), 3U);
    EXPECT_EQ(position["top"][0]["id"], wanted.predictions[i].top[0].token);
  }
  EXPECT_TRUE(reply["positions"].back()["next"].is_null());
  EXPECT_EQ(reply["positions"].back()["top"][0]["id"], wanted.next[0].token);
  EXPECT_FALSE(reply.contains("lens") || reply.contains("attention") || reply.contains("continuation"));
}

TEST_F(InspectRoutes, TokensAndMessagesAreReadAsWell) {
  const Json by_ids = server.json("/v1/inspect", {{"tokens", {79, 257, 110}}});
  EXPECT_EQ(by_ids["tokens"][1]["text"], "<|im_end|>");
  const Json messages = {{{"role", "user"}, {"content", "Hi"}}};
  const Json chat = server.json("/v1/inspect", {{"messages", messages}});
  std::string text;
  for (const Json& token : chat["tokens"]) text += token["text"];
  EXPECT_EQ(text, server.json("/apply-template", {{"messages", messages}})["prompt"]);
}

TEST_F(InspectRoutes, UntrainedIsTheFirstCheckpoint) {
  const Json list = Json::parse(server.get("/v1/checkpoints?model=small").body);
  EXPECT_EQ(list["served"], 10);
  EXPECT_EQ(list["n_ctx"], testing::kServedContext);
  ASSERT_EQ(list["data"].size(), 2U);
  EXPECT_EQ(list["data"][0]["step"], 0);
  const Json first = inspect_json({{"checkpoint", 0}}), untrained = inspect_json({{"checkpoint", "untrained"}});
  EXPECT_EQ(first["checkpoint"], 0);
  EXPECT_EQ(untrained["checkpoint"], "untrained");
  EXPECT_EQ(first["positions"], untrained["positions"]);
  EXPECT_NE(first["positions"], inspect_json()["positions"]);
  EXPECT_EQ(inspect_json({{"checkpoint", 10}})["positions"], inspect_json()["positions"]);
  EXPECT_THAT(std::string(inspect_json({{"checkpoint", 7}}, 404)["error"]["message"]),
              HasSubstr("small has no checkpoint of step 7; its steps are 0, 10"));
}

TEST_F(InspectRoutes, ACheckpointThatIsReplacedIsReadAgain) {
  const Json before = inspect_json({{"checkpoint", 0}});
  save_run(scratch, "small", 0, 99);
  EXPECT_NE(inspect_json({{"checkpoint", 0}})["positions"], before["positions"]);
}

TEST_F(InspectRoutes, AttentionIsAllRowsUpToTheDiagonal) {
  const Json all = inspect_json({{"attention", "all"}})["attention"];
  ASSERT_EQ(all.size(), 8U);
  for (const Json& matrix : all) {
    ASSERT_EQ(matrix["rows"].size(), kInspected.size());
    for (std::size_t i = 0; i < matrix["rows"].size(); ++i) {
      ASSERT_EQ(matrix["rows"][i].size(), i + 1);
      double sum = 0;
      for (const Json& probability : matrix["rows"][i]) sum += probability.get<double>();
      EXPECT_NEAR(sum, 1, 1e-3);
    }
  }
  const Json one = inspect_json({{"attention", {{"layer", 1}, {"head", 2}}}})["attention"];
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0], all[6]);
  EXPECT_THAT(refusal({{"attention", {{"layer", 2}, {"head", 0}}}}),
              HasSubstr("the model has layers 0 to 1 and heads 0 to 3"));
}

TEST_F(InspectRoutes, TheLastLayerOfTheLensIsTheAnswer) {
  const Json reply = inspect_json({{"layers", true}});
  ASSERT_EQ(reply["lens"].size(), 3U);
  for (std::size_t i = 0; i < kInspected.size(); ++i) {
    const Json& last = reply["lens"][2][i];
    EXPECT_EQ(last["id"], reply["positions"][i]["top"][0]["id"]);
    EXPECT_EQ(last["answer"], last["probability"]);
    EXPECT_EQ(last["next"].is_null(), i + 1 == kInspected.size());
  }
  EXPECT_NE(reply["lens"][0], reply["lens"][2]);
}

TEST_F(InspectRoutes, ContinuationsAreThoseOfCompletions) {
  const Json continued = inspect_json({{"continue", {{"max_tokens", 9}}}})["continuation"];
  const Json completed =
      server.json("/v1/completions", {{"prompt", kInspected}, {"max_tokens", 9}, {"temperature", 0}});
  EXPECT_EQ(continued["text"], completed["choices"][0]["text"]);
  const auto drawn = [&](int seed) {
    return inspect_json({{"continue", {{"max_tokens", 20}, {"temperature", 1}, {"seed", seed}}}})["continuation"];
  };
  EXPECT_EQ(drawn(3), drawn(3));
  EXPECT_NE(drawn(3), drawn(4));
}

TEST_F(InspectRoutes, RefusesWhatItCannotDo) {
  EXPECT_THAT(refusal({{"tokens", {1}}}), HasSubstr("send one of text, tokens and messages"));
  EXPECT_THAT(refusal({{"checkpoint", "untraned"}}), HasSubstr("a step or \"untrained\" is expected"));
  EXPECT_THAT(refusal({{"atention", "all"}}), HasSubstr("did you mean \"attention\"?"));
  EXPECT_THAT(refusal({{"attention", {{"layer", 0}}}}), HasSubstr("attention.head: it is missing"));
  EXPECT_THAT(refusal({{"top", 101}}), HasSubstr("top: 101 was sent"));
  EXPECT_THAT(std::string(server.json("/v1/inspect", {{"tokens", {259}}}, 400)["error"]["message"]),
              HasSubstr("token 259 is not in the vocabulary"));
  const Json long_text = inspect_json({{"text", std::string(testing::kServedContext + 1, 'a')}}, 400)["error"];
  EXPECT_EQ(long_text["type"], "exceed_context_size_error");
  EXPECT_EQ(long_text["n_ctx"], testing::kServedContext);
}

TEST_F(InspectRoutes, EmbeddingsArePlacesAndNeighbours) {
  const Json reply = server.json("/v1/inspect/embeddings", {{"first", 30}, {"tokens", {257}}, {"neighbours_of", 97}});
  const Engine::Model model = server.engine().model("");
  const EmbeddingMap map = map_embeddings(model->view(), 259);
  ASSERT_EQ(reply["points"].size(), 31U);
  EXPECT_EQ(reply["points"][0]["text"], "!") << "the first byte that people can read";
  EXPECT_EQ(reply["points"][30]["text"], "<|im_end|>");
  EXPECT_NEAR(reply["points"][0]["x"].get<double>(), map.places('!', 0), 1e-4);
  EXPECT_NEAR(reply["variance"][1].get<double>(), map.variance[1], 1e-4);
  const std::vector<Neighbour> near = nearest_tokens(model->view(), 97, 12, 259);
  ASSERT_EQ(reply["neighbours"].size(), 12U);
  EXPECT_EQ(reply["neighbours"][0]["id"], near[0].token);
  EXPECT_FALSE(server.json("/v1/inspect/embeddings", {{"first", 0}, {"neighbours_of", 97}}).contains("points"));
  EXPECT_THAT(std::string(server.json("/v1/inspect/embeddings", {{"neighbours_of", 259}}, 400)["error"]["message"]),
              HasSubstr("token 259 is not in the vocabulary"));
}

}  // namespace
}  // namespace kiln
