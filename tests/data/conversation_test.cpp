// Conversations of every shape, and what is said of those that do not fit.
#include "kiln/data/conversation.h"

#include "kiln/core/error.h"

#include <gmock/gmock.h>

#include "data/small_data.h"
#include "support/compress.h"
#include "support/scratch.h"
#include <cstdlib>

namespace kiln {
namespace {

using ::kiln::testing::expect_error;
using ::kiln::testing::Scratch;
using ::testing::HasSubstr;

using Messages = std::vector<ChatMessage>;

struct ConversationsRead {
  std::vector<Conversation> all;
  ConversationCounts counts;
};

ConversationsRead read_all_of(const std::filesystem::path& file) {
  ConversationsRead read;
  read.counts =
      read_conversations(file, [&](Conversation conversation) { read.all.push_back(std::move(conversation)); });
  EXPECT_EQ(std::ssize(read.all), read.counts.conversations);
  return read;
}

/// The only conversation of a record.
Conversation only_one(std::string_view record) {
  const Scratch folder;
  const ConversationsRead read = read_all_of(folder.write("a.jsonl", record));
  EXPECT_EQ(read.all.size(), 1u) << record;
  return read.all.empty() ? Conversation() : read.all.front();
}

Messages question_and_answer(std::string question, std::string answer) {
  return {{ChatRole::user, std::move(question)}, {ChatRole::assistant, std::move(answer)}};
}

std::string complaint_about(std::string_view record, std::string_view name = "a.jsonl") {
  return testing::refusal_of(record, name, [](const std::filesystem::path& file) { read_all_of(file); });
}

TEST(Conversations, MessagesOfAllRoles) {
  const Conversation read = only_one(
      R"({"id": 7, "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "é"}, )"
      R"({"role": "tool", "content": "t", "name": "x"}, {"role": "assistant", "content": " a\n", "tool_calls": []}]})");
  EXPECT_EQ(
      read.messages,
      (Messages{{ChatRole::system, "s"}, {ChatRole::user, "é"}, {ChatRole::tool, "t"}, {ChatRole::assistant, " a\n"}}));
  EXPECT_EQ(read.text, "");
  EXPECT_THAT(read.place, ::testing::EndsWith("/a.jsonl:1"));
}

TEST(Conversations, PartsOfTextAreJoined) {
  EXPECT_EQ(only_one(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}, )"
                     R"({"type": "text", "text": "r"}]}, {"role": "assistant", "content": "a"}]})")
                .messages,
            question_and_answer("qr", "a"));
}

TEST(Conversations, ShareGpt) {
  EXPECT_EQ(
      only_one(R"({"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}, )"
               R"({"from": "gpt", "value": "a"}, {"from": "user", "value": "r"}]})")
          .messages,
      (Messages{{ChatRole::system, "s"}, {ChatRole::user, "q"}, {ChatRole::assistant, "a"}, {ChatRole::user, "r"}}));
}

TEST(Conversations, PromptAndCompletion) {
  EXPECT_EQ(only_one(R"({"prompt": "q", "completion": "a"})").messages, question_and_answer("q", "a"));
  EXPECT_EQ(only_one(R"({"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", )"
                     R"("content": "a"}]})")
                .messages,
            question_and_answer("q", "a"));
}

TEST(Conversations, Alpaca) {
  EXPECT_EQ(only_one(R"({"instruction": "Do", "input": "this", "output": "done"})").messages,
            question_and_answer("Do\n\nthis", "done"));
  for (const char* record : {R"({"instruction": "Do", "input": " ", "output": "done"})",
                             R"({"instruction": "Do", "input": null, "output": "done"})",
                             R"({"instruction": "Do", "output": "done", "text": "a prompt with all of it"})"}) {
    EXPECT_EQ(only_one(record).messages, question_and_answer("Do", "done")) << record;
  }
}

TEST(Conversations, SelfInstruct) {
  const Scratch folder;
  const ConversationsRead read = read_all_of(folder.write(
      "a.jsonl", R"({"instruction": "Do", "instances": [{"input": "x", "output": "1"}, {"input": "", "output": "2"}]})"
                 "\n"
                 R"({"instruction": "Do", "instances": []})"));
  ASSERT_EQ(read.all.size(), 2u);
  EXPECT_EQ(read.all[0].messages, question_and_answer("Do\n\nx", "1"));
  EXPECT_EQ(read.all[1].messages, question_and_answer("Do", "2"));
  EXPECT_EQ(read.counts.without_answer, 1);
}

TEST(Conversations, TreesGiveTheBestPathToItsLastAnswer) {
  const std::string tree =
      R"({"prompt": {"role": "prompter", "text": "q", "replies": [)"
      R"({"role": "assistant", "text": "no rank", "replies": []},)"
      R"({"role": "assistant", "text": "second", "rank": 1, "replies": []},)"
      R"({"role": "assistant", "text": "deleted", "rank": -1, "deleted": true},)"
      R"({"role": "assistant", "text": "best", "rank": 0, "replies": [)"
      R"({"role": "prompter", "text": "r", "rank": null, "replies": [{"role": "assistant", "text": "b", "replies": [)"
      R"({"role": "prompter", "text": "unanswered", "replies": []}]}]}]}]}})";
  EXPECT_EQ(
      only_one(tree).messages,
      (Messages{
          {ChatRole::user, "q"}, {ChatRole::assistant, "best"}, {ChatRole::user, "r"}, {ChatRole::assistant, "b"}}));
  EXPECT_EQ(
      complaint_about(R"({"prompt": {"role": "prompter", "text": "q", "replies": [{"role": "x", "text": ""}]}})"),
      "a.jsonl:1: /prompt/replies/0/role: is \"x\"; expected \"prompter\", \"system\", \"user\", \"assistant\" or "
      "\"tool\"; rename the role");
}

TEST(Conversations, DeepTreesAreReadOrRefused) {
  EXPECT_EQ(only_one(testing::chain_of_replies(1000)).messages.size(), 1001u);
  EXPECT_EQ(complaint_about(testing::chain_of_replies(10'000)),
            "a.jsonl:1: has a reply below more than 1,000 messages; shorten the tree, or remove it");
}

TEST(Conversations, Documents) {
  const Conversation read = only_one(R"({"text": " as it is\n"})");
  EXPECT_EQ(read.text, " as it is\n");
  EXPECT_THAT(read.messages, ::testing::IsEmpty());
}

TEST(Conversations, ThoseWithoutAnAnswerAreCounted) {
  const Scratch folder;
  const ConversationsRead read =
      read_all_of(folder.write("a.jsonl", R"({"messages": []})"
                                          "\n\n"
                                          R"({"messages": [{"role": "user", "content": "q"}]})"
                                          "\r\n"
                                          R"({"prompt": "q", "completion": " \n"})"
                                          "\n"
                                          R"({"text": ""})"
                                          "\n"
                                          R"({"prompt": {"role": "prompter", "text": "q", "replies": []}})"
                                          "\n"
                                          R"({"prompt": "q", "completion": "a"})"));
  EXPECT_EQ(read.counts.conversations, 1);
  EXPECT_EQ(read.counts.without_answer, 5);
  EXPECT_THAT(read.all[0].place, HasSubstr("a.jsonl:7"));
}

TEST(Conversations, ArraysAndCompressedFiles) {
  const Scratch folder;
  const std::string first = R"({"prompt": "q", "completion": "a"})", second = R"({"text": "t"})";
  const std::string array = "\n[" + first + ", " + second + "]\n", lines = first + "\n" + second + "\n";
  for (const std::string& file :
       {folder.write("a.json", array), folder.write("a.JSON.gz", testing::gzip(array)),
        folder.write("a.json.zst", testing::zstd(array)), folder.write("a.jsonl", lines),
        folder.write("a.jsonl.gz", testing::gzip(lines)), folder.write("a.JsonL.ZST", testing::zstd(lines))}) {
    const ConversationsRead read = read_all_of(file);
    ASSERT_EQ(read.all.size(), 2u) << file;
    EXPECT_EQ(read.all[0].messages, question_and_answer("q", "a"));
    EXPECT_EQ(read.all[1].text, "t");
    const bool is_array = file.find("jsonl") == std::string::npos && file.find("JsonL") == std::string::npos;
    EXPECT_EQ(read.all[1].place, file + (is_array ? "[1]" : ":2"));
  }
}

TEST(Conversations, ValuesThatDoNotFitAreNamed) {
  EXPECT_EQ(complaint_about("{\"text\": \"t\"}\n{\"text\": 3}"), "a.jsonl:2: /text: is 3; expected text in quotes");
  EXPECT_EQ(complaint_about(R"({"messages": "none"})"), "a.jsonl:1: /messages: is \"none\"; expected a list");
  EXPECT_EQ(complaint_about(R"({"messages": [3]})"), "a.jsonl:1: /messages/0: is 3; expected an object");
  EXPECT_EQ(complaint_about(R"({"messages": [{"role": "user"}]})"),
            "a.jsonl:1: /messages/0: has no \"content\", which this shape of conversation needs");
  EXPECT_EQ(
      complaint_about(R"({"messages": [{"role": "robot", "content": ""}]})"),
      "a.jsonl:1: /messages/0/role: is \"robot\"; expected \"system\", \"user\", \"assistant\" or \"tool\"; rename "
      "the role");
  EXPECT_EQ(complaint_about(R"({"messages": [{"role": "user", "content": null}]})"),
            "a.jsonl:1: /messages/0/content: is null; expected text in quotes, or a list of {\"type\": \"text\", "
            "\"text\": ...}");
  EXPECT_EQ(complaint_about(R"({"messages": [{"role": "user", "content": [{"type": "image_url", "url": ""}]}]})"),
            "a.jsonl:1: /messages/0/content/0/type: is \"image_url\"; expected \"text\", since kiln's models read text "
            "alone; remove the record");
  EXPECT_THAT(complaint_about(R"({"messages": [{"role": "assistant", "content": "", "tool_calls": [{}]}]})"),
              HasSubstr("/messages/0/tool_calls: is [...]; expected none"));
  EXPECT_EQ(complaint_about(R"({"conversations": [{"from": "bot", "value": ""}]})"),
            "a.jsonl:1: /conversations/0/from: is \"bot\"; expected \"human\", \"gpt\", \"system\", \"user\", "
            "\"assistant\" or \"tool\"; rename the role");
  EXPECT_EQ(complaint_about(R"({"prompt": 1, "completion": "a"})"),
            "a.jsonl:1: /prompt: is 1; expected text in quotes, or a list of messages");
  EXPECT_EQ(complaint_about(R"([{"text": "a"}, {"instruction": "", "instances": [{"input": ""}]}])", "a.json"),
            "a.json[1]: /instances/0: has no \"output\", which this shape of conversation needs");
}

TEST(Conversations, RecordsOfNoShapeAreNamed) {
  EXPECT_EQ(complaint_about(R"({"prompt": "q", "chosen": "a", "rejected": "b"})"),
            "a.jsonl:1: has the keys \"chosen\", \"prompt\", \"rejected\"; a conversation has \"messages\", "
            "\"conversations\", \"prompt\" with \"completion\", \"instruction\" with \"output\", \"instruction\" with "
            "\"instances\", \"text\", or \"prompt\" with \"replies\" in it");
  EXPECT_THAT(complaint_about("{}"), HasSubstr("a.jsonl:1: has no keys; a conversation has"));
  EXPECT_EQ(complaint_about("[]"),
            "a.jsonl:1: is a list (an array of objects belongs in a .json file); expected an object");
  EXPECT_EQ(complaint_about("7"), "a.jsonl:1: is 7; expected an object");
}

TEST(Conversations, FilesThatAreNotOfConversationsAreRefused) {
  const Scratch folder;
  const std::string text = folder.write("a.txt.gz", "");
  expect_error(ExitCode::usage,
               text +
                   ": conversations are read from .jsonl or .json files, which may be compressed (.gz, .zst); write "
                   "one object a line and give the file such a name",
               [&] { read_conversations(text, [](const Conversation&) {}); });
  EXPECT_EQ(complaint_about("{\"text\": \"t\"}\nx"),
            "a.jsonl:2: not valid JSON; each line of a .jsonl file is one JSON object");
  EXPECT_THAT(complaint_about("[1, 2", "a.json"), HasSubstr("a.json: not valid JSON: parse error at line 1, column 6"));
  EXPECT_EQ(complaint_about(std::string("[]\0[", 4), "a.json"), "a.json: not valid JSON: holds a byte of 0");
  EXPECT_EQ(complaint_about("3", "a.json"), "a.json: holds 3; expected an array of objects");
  EXPECT_THAT(complaint_about("{\"text\": \"t\"}\n", "a.json"), HasSubstr("a name that ends in .jsonl"));
  EXPECT_THAT(complaint_about(testing::gzip("[]"), "a.json"),
              HasSubstr("a.json: is compressed by gzip; JSON is expected"));
  EXPECT_THAT(complaint_about("[]", "a.json.gz"), HasSubstr("a.json.gz: is damaged, or not compressed by gzip"));
  EXPECT_THAT(complaint_about(testing::zstd("[]").substr(0, 8), "a.json.zst"), HasSubstr("is cut short"));
}

// Real data sets, where the machine has them (KILN_DATA_DIR, or shared/data beside the project).
TEST(Conversations, AreRecognisedByTheFirstRecord) {
  const Scratch folder;
  const auto recognised = [&](const char* name, std::string_view text) {
    return holds_conversations(folder.write(name, std::string(text)));
  };
  EXPECT_TRUE(recognised("a.jsonl", "\n  \n{\"messages\": []}\n{\"text\": \"t\"}\n"));
  EXPECT_TRUE(recognised("a.jsonl", R"({"prompt": "q", "completion": "a"})"));
  EXPECT_TRUE(recognised("a.jsonl", R"({"prompt": {"replies": []}})"));
  EXPECT_TRUE(recognised("a.json", R"([{"instruction": "q", "output": "a", "text": "t"}])"));
  EXPECT_FALSE(recognised("a.jsonl", "{\"text\": \"t\"}\n{\"messages\": []}\n"));
  EXPECT_FALSE(recognised("a.jsonl", R"({"prompt": "q", "chosen": "a", "rejected": "b"})"));
  EXPECT_FALSE(recognised("a.jsonl", ""));
  EXPECT_FALSE(recognised("a.jsonl", "7"));
  EXPECT_FALSE(recognised("a.json", "[]"));
  EXPECT_FALSE(recognised("a.txt", R"({"messages": []})"));
}

TEST(Conversations, RealDataSets) {
  const char* named = std::getenv("KILN_DATA_DIR");
  const std::filesystem::path folder = named != nullptr ? named : KILN_SOURCE_DIR "/../shared/data";
  struct Expected {
    const char* name;
    std::int64_t conversations, without_answer;
  };
  bool is_any_there = false;
  for (const Expected& expected :
       {Expected{"rasbt-instruction-data.json", 1100, 0}, Expected{"self-instruct-seed_tasks.jsonl", 175, 0},
        Expected{"oasst_en_100_tree.jsonl", 100, 0}}) {
    const std::filesystem::path file = folder / expected.name;
    if (!std::filesystem::exists(file)) continue;
    is_any_there = true;
    const ConversationsRead read = read_all_of(file);
    EXPECT_EQ(read.counts.conversations, expected.conversations) << file;
    EXPECT_EQ(read.counts.without_answer, expected.without_answer) << file;
  }
  if (!is_any_there) GTEST_SKIP() << "no data sets in " << folder;
}

}  // namespace
}  // namespace kiln
