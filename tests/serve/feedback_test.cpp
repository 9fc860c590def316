// Feedback of the chat page: what readers of judged answers make of it.
#include "serve/feedback.h"

#include "kiln/core/file.h"
#include "kiln/core/hash.h"
#include "kiln/data/judgements.h"

#include <gmock/gmock.h>

#include "serve/expect_api_error.h"
#include "serve/served_runs.h"
#include "support/file_size_limit.h"
#include <fstream>

namespace kiln {
namespace {

using testing::expect_api_error;
using testing::FileSizeLimit;
using testing::save_run;
using testing::Scratch;
using testing::TestServer;

Json about(const std::string& answer, Json more) {
  more["model"] = "small";
  more["messages"] = {{{"role", "system"}, {"content", "Be brief."}}, {{"role", "user"}, {"content", "Who are you?"}}};
  more["answer"] = answer;
  return more;
}

struct FeedbackTest : ::testing::Test {
  Scratch scratch;
  std::filesystem::path file = scratch.path("feedback.jsonl");
  Feedback feedback{scratch.path()};

  void add(const std::string& answer, const Json& more) { feedback.add(about(answer, more), {}); }

  std::vector<Json> lines() const {
    std::ifstream text(file);
    std::vector<Json> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(Json::parse(line));
    return lines;
  }

  /// The pairs that a reward model or dpo is trained on, as "better > worse".
  std::vector<std::string> pairs() const {
    std::vector<std::string> pairs;
    for (const JudgedPrompt& prompt : read_judgements(std::array{file}).prompts) {
      EXPECT_EQ(prompt.messages.size(), 2u);
      for (const Judgement& judgement : prompt.judgements) {
        for (const JudgedPair& pair : pairs_of(judgement))
          pairs.push_back(prompt.answers[pair.better].text + " > " + prompt.answers[pair.worse].text);
      }
    }
    return pairs;
  }
};

TEST_F(FeedbackTest, ThumbsUpAndDownOnOnePromptAreAPair) {
  add("A model.", {{"vote", "up"}});
  EXPECT_EQ(read_judgements(std::array{file}).census.without_judgement, 1);
  add("Nobody.", {{"vote", "down"}});
  add("None of your business.", {{"vote", "down"}});
  EXPECT_THAT(pairs(), ::testing::UnorderedElementsAre("A model. > Nobody.", "A model. > None of your business."));
}

TEST_F(FeedbackTest, AnEditIsBetterThanTheAnswer) {
  add("I are a model.", {{"edited", "I am a model."}});
  add("I are a model.", {{"edited", "I am a model."}});
  EXPECT_THAT(pairs(), ::testing::ElementsAre("I am a model. > I are a model."));
  EXPECT_EQ(lines().size(), 1u) << "said twice is said once";
}

TEST_F(FeedbackTest, AThumbMayBeTurnedAndTakenBack) {
  add("A model.", {{"vote", "down"}});
  add("Nobody.", {{"vote", "down"}});
  add("A model.", {{"vote", "up"}});
  EXPECT_THAT(pairs(), ::testing::ElementsAre("A model. > Nobody."));
  add("Nobody.", {{"vote", "none"}});
  add("Never judged.", {{"vote", "none"}});
  EXPECT_TRUE(pairs().empty());
  ASSERT_EQ(lines().size(), 1u);
  EXPECT_EQ(lines()[0]["completion"], "A model.");
}

TEST_F(FeedbackTest, OfAnotherFormIsRefused) {
  expect_api_error("vote", "\"up\", \"down\" or \"none\"", [&] { add("A", {{"vote", "maybe"}}); });
  expect_api_error("vote", "give either \"vote\" or \"edited\"", [&] { add("A", Json::object()); });
  expect_api_error("vote", "give either \"vote\" or \"edited\"", [&] { add("A", {{"vote", "up"}, {"edited", "B"}}); });
  expect_api_error("edited", "the same", [&] { add("A", {{"edited", " A\n"}}); });
  expect_api_error("answer", "missing or empty", [&] { add(" ", {{"vote", "up"}}); });
  expect_api_error("checkpoint", "16 hexadecimal digits", [&] { add("A", {{"vote", "up"}, {"checkpoint", "../x"}}); });
  Json body = about("A", {{"vote", "up"}});
  body["messages"].push_back({{"role", "assistant"}, {"content", "Hello."}});
  expect_api_error("messages", "the last one must be the user's", [&] { feedback.add(body, {}); });
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(FeedbackTest, AFullDiskIsSaidAndNothingIsLost) {
  add("A model.", {{"vote", "up"}});
  add("Nobody.", {{"vote", "down"}});
  {
    const FileSizeLimit limit(std::filesystem::file_size(file) - 10);
    try {
      add("Nobody.", {{"vote", "up"}});
      ADD_FAILURE() << "the file was written";
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status(), 507);
      EXPECT_THAT(error.what(), ::testing::HasSubstr("the feedback is not saved: "));
    }
  }
  EXPECT_THAT(pairs(), ::testing::ElementsAre("A model. > Nobody."));
  add("Somebody.", {{"vote", "down"}});
  EXPECT_THAT(pairs(), ::testing::Contains("A model. > Somebody."));
}

TEST(FeedbackRoute, NamesTheModelItsCheckpointAndItsTemplate) {
  const Scratch scratch;
  const TestServer server({save_run(scratch, "small")}, {}, {.data = scratch.path("data")});
  server.json("/v1/feedback", about("A model.", {{"vote", "up"}}));
  server.json("/v1/feedback", about("Nobody.", {{"vote", "down"}, {"checkpoint", "0123456789abcdef"}}));
  std::ifstream file(scratch.path("data/feedback.jsonl"));
  std::string line;
  std::getline(file, line);
  const Json first = Json::parse(line);
  const Engine::Model model = Engine::Model(std::make_shared<ServedModel>(ModelChoice{scratch.path("runs/small")}));
  EXPECT_EQ(first["model"], "small");
  EXPECT_EQ(first["checkpoint"], hex(hash_file(model->folder() / "manifest.json")));
  EXPECT_EQ(first["template"], hex(model->chat().hash()));
  std::getline(file, line);
  EXPECT_EQ(Json::parse(line)["checkpoint"], "0123456789abcdef") << "of the checkpoint that answered then";
  const auto chat =
      server.post("/v1/chat/completions", {{"messages", {{{"role", "user"}, {"content", "Hi"}}}}, {"max_tokens", 1}});
  EXPECT_EQ(chat.header("kiln-checkpoint"), first["checkpoint"]);
  EXPECT_EQ(chat.header("kiln-template"), first["template"]);
}

}  // namespace
}  // namespace kiln
