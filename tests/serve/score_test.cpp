// Scores of a reward model over HTTP, against the library.
#include "kiln/train/reward_model.h"

#include <gmock/gmock.h>

#include "serve/scorer.h"
#include "serve/served_runs.h"
#include "support/scoring_folder.h"

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::ScoringFolder;
using testing::TestServer;

const Json kAsked = {{{"role", "user"}, {"content", "2 + 2?"}}};

struct ScoreRoute : ::testing::Test {
  ScoringFolder folder;
  std::shared_ptr<const RewardModel> model =
      std::make_shared<const RewardModel>(load_model(folder.path.string(), std::nullopt, ModelKind::reward));
  TestServer server{{}, {}, {.reward = model}};
};

TEST_F(ScoreRoute, ScoresAreThoseOfTheLibrary) {
  const std::vector<ChatMessage> messages{{ChatRole::user, "2 + 2?"}};
  const std::vector<std::string> answers{"four", "", "five", std::string(50, 'x')};
  const Json reply = server.json("/v1/score", {{"messages", kAsked}, {"answers", answers}});
  EXPECT_EQ(reply["object"], "scores");
  EXPECT_EQ(reply["model"], folder.path.filename().string());
  ASSERT_EQ(reply["scores"].size(), answers.size());
  for (const std::size_t i : {0U, 2U}) {
    const AnswerToScore answer{messages, answers[i]};
    EXPECT_EQ(reply["scores"][i].get<double>(), model->scores(std::span(&answer, 1)).front());
  }
  EXPECT_NE(reply["scores"][0], reply["scores"][2]);
  EXPECT_TRUE(reply["scores"][1].is_null()) << "empty";
  EXPECT_TRUE(reply["scores"][3].is_null()) << "longer than the context";
}

TEST_F(ScoreRoute, WrongFieldsAreNamed) {
  const auto refusal = [this](const Json& body) -> std::string {
    return server.json("/v1/score", body, 400)["error"]["message"];
  };
  EXPECT_THAT(refusal({{"answers", {"a"}}}), HasSubstr("messages: "));
  EXPECT_THAT(refusal({{"messages", kAsked}}), HasSubstr("answers: give an array with at least one text"));
  EXPECT_THAT(refusal({{"messages", kAsked}, {"answers", {"a", 1}}}), HasSubstr("answers[1]: "));
  EXPECT_THAT(refusal({{"messages", kAsked}, {"answers", {"a"}}, {"sampler", 1}}), HasSubstr("sampler"));
  EXPECT_THAT(refusal({{"messages", kAsked}, {"answers", std::vector<std::string>(kMostScored + 1, "a")}}),
              HasSubstr("answers: 257 were sent; send at most 256"));
}

TEST(ScoreRoutes, AServerWithoutARewardModelSaysSo) {
  const TestServer server{{}};
  const Json reply = server.json("/v1/score", {{"messages", kAsked}, {"answers", {"four"}}}, 404);
  EXPECT_THAT(std::string(reply["error"]["message"]), HasSubstr("--reward RUN"));
}

}  // namespace
}  // namespace kiln
