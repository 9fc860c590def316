// Prompts from lines of text and from records, and the answers that records give to them.
#include "kiln/data/prompts.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "support/scratch.h"

namespace kiln {
namespace {

using ::kiln::testing::expect_error;
using ::kiln::testing::Scratch;

std::vector<std::vector<ChatMessage>> messages_in(const std::filesystem::path& file) {
  std::vector<std::vector<ChatMessage>> all;
  for (ChatPrompt& prompt : read_chat_prompts(file)) all.push_back(std::move(prompt.messages));
  return all;
}

TEST(ChatPrompts, LinesOfText) {
  const Scratch folder;
  const std::string file = folder.write("p.txt", "\xEF\xBB\xBFone\r\n\n  \ntwo ");
  using All = std::vector<std::vector<ChatMessage>>;
  EXPECT_EQ(messages_in(file), (All{{{ChatRole::user, "one"}}, {{ChatRole::user, "two "}}}));
  EXPECT_THAT(read_chat_prompts(file)[1].place, ::testing::EndsWith("/p.txt:4"));
}

TEST(ChatPrompts, RecordsWithMessagesOrAPrompt) {
  const Scratch folder;
  using All = std::vector<std::vector<ChatMessage>>;
  const All expected{
      {{ChatRole::system, "s"}, {ChatRole::user, "q"}}, {{ChatRole::user, "r"}}, {{ChatRole::user, "t"}}};
  EXPECT_EQ(messages_in(folder.write(
                "p.jsonl", R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, )"
                           R"({"role": "assistant", "content": "left out"}]})"
                           "\n"
                           R"({"prompt": "r", "completion": "ignored"})"
                           "\n"
                           R"({"prompt": [{"role": "user", "content": "t"}]})")),
            expected);
}

/// Returns the expected answer of a record.
std::string expected_of(const std::string& record) {
  const Scratch folder;
  return read_chat_prompts(folder.write("p.jsonl", record)).at(0).expected;
}

TEST(ChatPrompts, TheAnswerOfARecordIsTheExpectedOne) {
  const std::string user = R"({"role": "user", "content": "q"})";
  const std::string assistant = R"({"role": "assistant", "content": " left out "})";
  const std::string answered = "[" + user + ", " + assistant + "]", open = "[" + user + "]";
  EXPECT_EQ(expected_of(R"({"messages": )" + answered + "}"), " left out ");
  EXPECT_EQ(expected_of(R"({"messages": )" + answered + R"(, "completion": "c", "answer": "a"})"), " left out ");
  EXPECT_EQ(expected_of(R"({"messages": )" + open + R"(, "answer": "a"})"), "a");
  EXPECT_EQ(expected_of(R"({"messages": )" + open + "}"), "");
  EXPECT_EQ(expected_of(R"({"prompt": "q", "completion": "c", "answer": "a"})"), "c");
  EXPECT_EQ(expected_of(R"({"prompt": "q", "answer": "a"})"), "a");
  EXPECT_EQ(expected_of(R"({"prompt": )" + answered + R"(, "answer": "a"})"), "a");
  EXPECT_EQ(expected_of(R"({"prompt": )" + answered + "}"), " left out ");
  EXPECT_EQ(expected_of(R"({"prompt": "q", "completion": )" + answered + "}"), " left out ");
  EXPECT_EQ(expected_of(R"({"prompt": "q"})"), "");
}

TEST(ChatPrompts, AnAnswerMayBeANumberAndOtherValuesAreNone) {
  EXPECT_EQ(expected_of(R"({"prompt": "q", "answer": 42})"), "42");
  EXPECT_EQ(expected_of(R"({"prompt": "q", "answer": -0.5})"), "-0.5");
  EXPECT_EQ(expected_of(R"({"prompt": "q", "completion": null, "answer": "a"})"), "a");
  for (const char* value : {"null", "true", "[]", "[1]", "[{}]", R"([{"role": "user", "content": "x"}])",
                            R"([{"role": "assistant", "content": 1}])", R"({"text": "x"})"}) {
    EXPECT_EQ(expected_of(fmt::format(R"({{"prompt": "q", "answer": {}}})", value)), "") << value;
  }
}

TEST(ChatPrompts, ALineOfTextHasNoExpectedAnswer) {
  const Scratch folder;
  EXPECT_EQ(read_chat_prompts(folder.write("p.txt", "q")).at(0).expected, "");
}

TEST(ChatPrompts, WhatDoesNotFitIsNamed) {
  const Scratch folder;
  const std::string file = folder.write("p.jsonl", R"({"question": "q"})");
  expect_error(ExitCode::bad_input, file + ":1: has the keys \"question\"; a prompt has \"messages\" or \"prompt\"",
               [&] { read_chat_prompts(file); });
  const std::string answer = folder.write("a.jsonl", R"({"messages": [{"role": "assistant", "content": "a"}]})");
  expect_error(ExitCode::bad_input,
               answer + ":1: /messages: there is no message to answer; give at least one of a user",
               [&] { read_chat_prompts(answer); });
  const std::string empty = folder.write("p.txt", " \n");
  expect_error(ExitCode::bad_input, empty + ": no prompts; write one on each line", [&] { read_chat_prompts(empty); });
}

}  // namespace
}  // namespace kiln
