// Prompts from lines of text and from records.
#include "kiln/data/prompts.h"

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
  expect_error(ExitCode::usage, empty + ": no prompts; write one on each line", [&] { read_chat_prompts(empty); });
}

}  // namespace
}  // namespace kiln
