// kiln chat with piped input: messages, commands, JSON and mistakes.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/chat_run.h"
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace kiln {
namespace {

using nlohmann::json;
using testing::chat_command;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using ::testing::StartsWith;

Outcome chat(const std::string& script, const std::vector<std::string>& more = {}) {
  return testing::run(chat_command(more), script);
}

/// The objects that a script leaves.
std::vector<json> chat_json(const std::string& script, std::vector<std::string> more = {}) {
  more.emplace_back("--json");
  const Outcome outcome = chat(script, more);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  std::vector<json> objects;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) objects.push_back(json::parse(line));
  return objects;
}

json message(const std::string& role, const std::string& content) { return {{"role", role}, {"content", content}}; }

TEST(Chat, AnswersEachLineAndSaysTheSameTwice) {
  const std::string script = "one two\n\nthree\r\n";
  const std::vector<json> turns = chat_json(script);
  ASSERT_EQ(turns.size(), 2u);
  EXPECT_EQ(turns[0]["user"], "one two");
  EXPECT_EQ(turns[1]["user"], "three");
  for (const json& turn : turns) {
    EXPECT_EQ(turn.size(), 5u);
    EXPECT_TRUE(turn["answer"].is_string());
    EXPECT_THAT((std::vector<std::string>{"length", "stop", "end"}), ::testing::Contains(turn["finish"]));
    EXPECT_LE(turn["tokens"], 12);
    EXPECT_EQ(turn["dropped_turns"], 0);
  }
  EXPECT_EQ(chat_json(script), turns);
  EXPECT_NE(chat_json(script, {"--seed", "7"}), turns);
  const Outcome text = chat(script);
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(text.out, turns[0]["answer"].get<std::string>() + "\n" + turns[1]["answer"].get<std::string>() + "\n");
}

TEST(Chat, JsonHoldsNoControlCharacter) {
  const std::string text = "a\u009bb\u0085c\u007fd\u202ee";
  const Outcome outcome = chat(text + "\n", {"--json"});
  EXPECT_THAT(outcome.out, HasSubstr(R"("a\u009bb\u0085c\u007fd\u202ee")"));
  EXPECT_EQ(json::parse(outcome.out)["user"], text);
}

TEST(Chat, MessagesMayHaveSeveralLines) {
  const std::vector<json> turns = chat_json("one\\\ntwo\\\\\n\"\"\"/help\n\n  four\"\"\"\n\"\"\"five\"\"\"\nsix\\");
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(turns[0]["user"], "one\ntwo\\\\");
  EXPECT_EQ(turns[1]["user"], "/help\n\n  four");
  EXPECT_EQ(turns[2]["user"], "five");
  EXPECT_EQ(turns[3]["user"], "six") << "the end of the input ends the message";
}

TEST(Chat, ForgetsTheOldestTurnsAndSaysSo) {
  std::string script;
  for (int i = 0; i < 6; ++i) script += "a message of thirty-one letters\n";
  const std::vector<json> turns = chat_json(script, {"--system", "Count."});
  ASSERT_EQ(turns.size(), 6u);
  EXPECT_EQ(turns.front()["dropped_turns"], 0);
  EXPECT_GT(turns.back()["dropped_turns"], 0);
  EXPECT_THAT(chat(script).err,
              HasSubstr("the context of 256 tokens is full: the model no longer reads the oldest 3 turns"));
  EXPECT_GT(chat_json(script, {"--context", "100"}).back()["dropped_turns"], turns.back()["dropped_turns"]);
}

TEST(Chat, SavesWhatTrainingReadsAndGoesOnWithIt) {
  const testing::Scratch scratch;
  const std::string file = scratch.path("my talk.jsonl").string();
  const Outcome saved = chat("/system Be \"brief\".\none\n/save " + file + "\n/save " + file + "\n");
  ASSERT_EQ(saved.code, 0) << saved.err;
  EXPECT_THAT(saved.err, HasSubstr("saved 3 messages in " + file));
  const std::string line = read_file(file);
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  const json conversation = json::parse(line);
  const std::string answer = saved.out.substr(0, saved.out.size() - 1);
  EXPECT_EQ(
      conversation,
      (json{{"messages", {message("system", "Be \"brief\"."), message("user", "one"), message("assistant", answer)}}}));
  const Outcome loaded = chat("/load " + file + "\n/tokens\n/undo\n/tokens\n");
  EXPECT_EQ(loaded.code, 0) << loaded.err;
  EXPECT_THAT(loaded.err, HasSubstr("loaded 3 messages"));
  EXPECT_THAT(loaded.out,
              HasSubstr("<|im_start|> \"u\" \"s\" \"e\" \"r\" \"\\n\"\n\"o\" \"n\" \"e\" <|im_end|> \"\\n\"\n"));
  EXPECT_THAT(loaded.out, HasSubstr("21 of 256 tokens that fit\n")) << "the system message alone";
  const Outcome refused = chat("one\n/save " + file + "\n");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("my talk.jsonl: exists already; choose another name"));
  EXPECT_EQ(read_file(file), line);
}

TEST(Chat, AnswersALoadedMessage) {
  const testing::Scratch scratch;
  const std::string file = scratch.write("ask.jsonl",
                                         "\n"
                                         R"({"id": 3, "messages": [{"role": "user", "content": "one"}]})");
  const Outcome outcome = chat("/load " + file + "\n/retry\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("loaded 1 message; /retry answers the last one"));
  EXPECT_EQ(outcome.out, chat("one\n").out);
}

TEST(Chat, ConversationsThatCannotBeReadAreRefused) {
  const testing::Scratch scratch;
  const auto expect_refusal = [&](const std::string& text, const std::string& fault) {
    const std::string file = scratch.write("wrong.jsonl", text);
    const Outcome outcome = chat("/load " + file + "\n");
    EXPECT_EQ(outcome.code, 3) << text;
    EXPECT_THAT(outcome.err, HasSubstr("error: stdin:1: " + file + fault));
  };
  expect_refusal("", ": is empty; a line {\"messages\": [...]} is expected");
  expect_refusal("[]", ":1: an object with an array \"messages\" is expected, as /save writes it");
  expect_refusal("{\"messages\": []}\n{\"messages\": []}\n", ":2: a second conversation; one is expected");
  expect_refusal(R"({"messages": [{"role": "user", "content": "a"}, {"role": "asistant", "content": "b"}]})",
                 ":1: /messages/1/role: \"asistant\" is not one of system, user, assistant, tool; did you mean "
                 "\"assistant\"?");
  expect_refusal(R"({"messages": [{"role": "user", "content": ["a"]}]})",
                 ":1: /messages/0/content: [...]; a string is expected");
  expect_refusal(R"({"messages": [{"role": "user"}]})", ":1: /messages/0/content: missing; a string is expected");
  expect_refusal(R"({"messages": [)", ":1:");
  EXPECT_EQ(chat("/load " + scratch.path("none.jsonl").string() + "\n").code, 3);
  EXPECT_EQ(chat("one\n/save " + scratch.path("none/talk.jsonl").string() + "\n").code, 2);
}

TEST(Chat, TakesBackAndAnswersAgain) {
  const std::vector<json> turns = chat_json("one\n/retry\n/undo\none\n/reset\none\n");
  ASSERT_EQ(turns.size(), 4u);
  for (const json& turn : turns) EXPECT_EQ(turn["user"], "one");
  EXPECT_NE(turns[0]["answer"], turns[1]["answer"]) << "another draw";
  const std::vector<json> greedy = chat_json("one\n/retry\n/undo\none\n/reset\none\n", {"--greedy"});
  for (const json& turn : greedy) EXPECT_EQ(turn, greedy[0]);
}

TEST(Chat, ShowsTheAnswersProbabilities) {
  const Outcome outcome = chat("one\n/inspect\n", {"--greedy"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("  [0-9. ]+ %  \"[ a-z;]\"\n"));
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("tokens: mean loss [0-9.]+ nats, perplexity [0-9.]+; finish: "));
  const Outcome with_json = chat("one\n/inspect\n", {"--json"});
  EXPECT_EQ(std::ranges::count(with_json.out, '\n'), 1) << "stdout is JSON alone";
  EXPECT_THAT(with_json.err, HasSubstr("perplexity"));
  EXPECT_EQ(chat("one\n/undo\n/inspect\n").code, 2);
}

TEST(Chat, TypedMarkersStayText) {
  const Outcome outcome = chat("<|im_end|>\n/tokens\n");
  EXPECT_THAT(outcome.out, HasSubstr(R"("<" "|" "i" "m" "_" "e" "n" "d" "|" ">" <|im_end|>)"));
}

TEST(Chat, WithoutChatTokensUsesPlain) {
  const testing::SmallRun run;
  ASSERT_EQ(run.train({"--set", R"(tokenizer.special_tokens=["<|endoftext|>"])", "--set", "model.n_ctx=128"}).code, 0);
  const Outcome outcome =
      testing::run_kiln({"chat", run.folder, "--max-tokens", "5", "--precision", "bf16"}, "one\n/tokens\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("the vocabulary has no tokens of a chat template: using \"plain\""));
  EXPECT_THAT(outcome.out, HasSubstr(R"("U" "s" "e" "r" ":" " " "o" "n" "e")"));
  const Outcome wrong = testing::run_kiln({"chat", run.folder, "--template", "chatml"}, "one\n");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("the vocabulary has no special token \"<|im_start|>\", \"<|im_end|>\""));
}

TEST(Chat, ATemplateChosenByTheVocabularyIsNamed) {
  EXPECT_THAT(
      chat("one\n").err,
      HasSubstr("the model has no chat template: using \"chatml\", whose tokens its vocabulary has, see --template"));
  EXPECT_THAT(chat("one\n", {"--template", "chatml"}).err, Not(HasSubstr("has no chat template")));
}

TEST(Chat, AScriptEndsWithItsFirstMistake) {
  const auto expect_refusal = [](const std::string& script, const char* message) {
    const Outcome outcome = chat(script + "\nthree\n");
    EXPECT_EQ(outcome.code, 2) << script;
    EXPECT_THAT(outcome.err, HasSubstr(message));
    EXPECT_EQ(outcome.out, "");
  };
  expect_refusal("\n/undoo", "error: stdin:2: unknown command \"/undoo\"; did you mean \"/undo\"?; /help lists them");
  expect_refusal("/undo", "error: stdin:1: there is no turn to take back");
  expect_refusal("/retry", "there is no message to answer again");
  expect_refusal("/reset now", "/reset takes no argument");
  expect_refusal("/save", "/save needs the name of a file, as in /save talk.jsonl");
  expect_refusal("/save x", "there is nothing to save yet");
  expect_refusal("\"\"\"one", "the message that begins with \"\"\" has no end");
  expect_refusal(std::string(300, 'a'), "error: stdin:1: the message takes 319 tokens together with");
}

TEST(Chat, ListsItsCommandsAndStopsAtQuit) {
  const Outcome outcome = chat("/help\n/quit\none\n");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, StartsWith("/system TEXT "));
  for (const char* name : {"/reset", "/undo", "/retry", "/save FILE", "/load FILE", "/tokens", "/inspect", "/quit"}) {
    EXPECT_THAT(outcome.out, HasSubstr(std::string("\n") + name + " "));
  }
  EXPECT_THAT(outcome.out, Not(HasSubstr("\033"))) << "no colours outside a terminal";
}

TEST(Chat, WrongOptionsAreRefused) {
  EXPECT_THAT(chat("", {"--template", "chatlm"}).err, HasSubstr("did you mean \"chatml\"?"));
  EXPECT_THAT(chat("", {"--temperature", "-1"}).err, HasSubstr("the temperature is -1"));
  EXPECT_THAT(chat("", {"--stop", ""}).err, HasSubstr("a stop text is empty"));
  EXPECT_EQ(chat("").code, 0) << "nothing was said";
}

TEST(Chat, AReaderThatGoesAwayIsNoError) {
  std::string line = "yes | head -n 50 | ";
  for (const std::string& word : chat_command()) line += "'" + word + "' ";
  EXPECT_EQ(testing::run({"bash", "-c", line + "| head -n 1 > /dev/null; echo ${PIPESTATUS[2]}"}).out, "0\n");
}

}  // namespace
}  // namespace kiln
