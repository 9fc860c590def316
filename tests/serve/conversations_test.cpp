// Conversations of the chat page: what is saved is found again, whatever happens to the file.
#include "serve/conversations.h"

#include <gmock/gmock.h>

#include "serve/expect_api_error.h"
#include "serve/served_runs.h"
#include "support/file_size_limit.h"
#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

namespace kiln {
namespace {

using testing::expect_api_error;
using testing::FileSizeLimit;
using ::testing::HasSubstr;
using testing::save_run;
using testing::Scratch;
using testing::TestServer;

Json talk(const std::string& title, const std::string& text = "Hi") {
  return {{"title", title},
          {"model", "small"},
          {"system", "Be brief."},
          {"sampling", {{"temperature", 0.7}}},
          {"messages", {{{"role", "user"}, {"content", text}}, {{"role", "assistant"}, {"content", "Hello."}}}}};
}

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

/// Expects a refusal with this status, and a part of its message.
template <class Call>
void expect_status(int status, std::string_view part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << part;
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), status) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(std::string(part)));
  }
}

struct Conversations : ::testing::Test {
  Scratch scratch;
  std::filesystem::path file = scratch.path("conversations.jsonl");
  ConversationStore store{scratch.path()};

  std::vector<std::string> titles(ConversationStore& of) const {
    std::vector<std::string> titles;
    for (const Json& one : of.list()) titles.push_back(one["title"]);
    return titles;
  }
  std::vector<std::string> titles() { return titles(store); }

  Json again(const Json& head, const std::string& title, const std::string& text = "Hi") {
    Json body = talk(title, text);
    body["id"] = head["id"];
    body["revision"] = head["revision"];
    return store.save(body);
  }
};

TEST_F(Conversations, AreListedTheLastSavedFirst) {
  EXPECT_TRUE(store.list().empty());
  const Json first = store.save(talk("first"));
  store.save(talk("second"));
  EXPECT_THAT(titles(), ::testing::ElementsAre("second", "first"));
  const Json newer = again(first, "first, changed");
  EXPECT_EQ(newer["id"], first["id"]);
  EXPECT_EQ(newer["revision"], 2);
  EXPECT_EQ(newer["messages"], 2);
  EXPECT_THAT(newer["time"].get<std::string>(), ::testing::MatchesRegex("....-..-..T..:..:..Z"));
  EXPECT_THAT(titles(), ::testing::ElementsAre("first, changed", "second"));
}

TEST_F(Conversations, AreReadAsTheyWereSaved) {
  Json body = talk("<b>\"title\"</b>", std::string("a\0b\n\u2028 \U0001F600", 12));
  body["messages"].push_back({{"role", "user"}, {"content", "again"}, {"parent", {0, 1}}, {"note", {1, 2}}});
  body["at"] = 2;
  const Json head = store.save(body);
  const Json read = Json::parse(store.read(head["id"]));
  for (const auto& [key, value] : body.items()) EXPECT_EQ(read[key], value);
  EXPECT_THAT(head["id"].get<std::string>(), ::testing::MatchesRegex("[0-9a-f]{32}"));
}

TEST_F(Conversations, AnIdIsTheServersAndARevisionTheLast) {
  const Json head = store.save(talk("one"));
  expect_status(404, "was it deleted", [&] { store.save({{"id", "../../x"}, {"messages", Json::array()}}); });
  again(head, "two");
  expect_status(409, "changed on another page", [&] { again(head, "three"); });
  EXPECT_THAT(titles(), ::testing::ElementsAre("two"));
  expect_status(404, "", [&] { static_cast<void>(store.read("none")); });
}

TEST_F(Conversations, AreRemoved) {
  const Json head = store.save(talk("one"));
  store.save(talk("two"));
  store.remove(head["id"]);
  EXPECT_THAT(titles(), ::testing::ElementsAre("two"));
  expect_status(404, "", [&] { static_cast<void>(store.read(head["id"])); });
  expect_status(404, "", [&] { store.remove(head["id"]); });
  ConversationStore later(scratch.path());
  EXPECT_THAT(titles(later), ::testing::ElementsAre("two"));
}

TEST_F(Conversations, ALineThatACrashHasCutIsIgnoredAndRepaired) {
  store.save(talk("whole"));
  const std::string whole = text_of(file);
  std::ofstream(file, std::ios::app) << whole.substr(0, whole.size() / 2);
  ConversationStore later(scratch.path());
  EXPECT_THAT(titles(later), ::testing::ElementsAre("whole"));
  later.save(talk("next"));
  EXPECT_THAT(titles(later), ::testing::ElementsAre("next", "whole"));
  EXPECT_THAT(titles(), ::testing::ElementsAre("next", "whole"));
  std::istringstream lines(text_of(file));
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(Json::accept(line)) << line;
}

TEST_F(Conversations, ALineThatLacksItsLineFeedCounts) {
  store.save(talk("one"));
  store.save(talk("two"));
  const std::string lines = text_of(file);
  std::ofstream(file, std::ios::trunc) << lines.substr(0, lines.size() - 1);
  ConversationStore later(scratch.path());
  EXPECT_THAT(titles(later), ::testing::ElementsAre("two", "one"));
  later.save(talk("three"));
  EXPECT_THAT(titles(later), ::testing::ElementsAre("three", "two", "one"));
}

TEST_F(Conversations, AreWrittenAnewOnceMostLinesAreSuperseded) {
  std::ofstream(file) << "{not JSON\n{\"other\": 1}\n";
  const Json other = store.save(talk("other"));
  Json head = store.save(talk("grows", std::string(500'000, 'x')));
  ConversationStore another(scratch.path());
  EXPECT_EQ(another.list().size(), 2u);
  for (int i = 0; i < 30; ++i) head = again(head, "grows", std::string(500'000, 'x'));
  EXPECT_LT(std::filesystem::file_size(file), 6'000'000u);
  EXPECT_THAT(text_of(file), ::testing::StartsWith("{not JSON\n{\"other\": 1}\n")) << "what is not understood stays";
  EXPECT_THAT(titles(another), ::testing::ElementsAre("grows", "other"));
  EXPECT_EQ(Json::parse(another.read(other["id"]))["title"], "other");
  EXPECT_EQ(Json::parse(another.read(head["id"]))["revision"], 31);
}

TEST_F(Conversations, SeveralPagesAndServersSaveAtOnce) {
  ConversationStore another(scratch.path());
  std::vector<std::thread> pages;
  for (int page = 0; page < 6; ++page) {
    pages.emplace_back([&, page] {
      ConversationStore& mine = page % 2 == 0 ? store : another;
      Json head = mine.save(talk(std::to_string(page)));
      for (int i = 0; i < 10; ++i) {
        Json body = talk(std::to_string(page), std::string(1000, 'x'));
        body["id"] = head["id"];
        body["revision"] = head["revision"];
        head = mine.save(body);
      }
    });
  }
  for (std::thread& page : pages) page.join();
  EXPECT_EQ(store.list(), another.list());
  std::set<std::string> ids;
  for (const Json& one : store.list()) {
    EXPECT_EQ(one["revision"], 11);
    ids.insert(one["id"]);
  }
  EXPECT_EQ(ids.size(), 6u);
}

TEST_F(Conversations, AFullDiskIsSaidAndNothingIsLost) {
  const Json head = store.save(talk("one"));
  const std::string before = text_of(file);
  {
    const FileSizeLimit limit(before.size() + 100);
    expect_status(507, "the conversation is not saved: ", [&] { again(head, "two", std::string(1000, 'x')); });
    expect_status(507, "File too large", [&] { store.save(talk("new", std::string(1000, 'x'))); });
    EXPECT_EQ(text_of(file), before);
    EXPECT_THAT(titles(), ::testing::ElementsAre("one"));
  }
  again(head, "two");
  EXPECT_THAT(titles(), ::testing::ElementsAre("two"));
}

TEST_F(Conversations, OfAnotherFormAreRefused) {
  const auto refuse = [&](std::string_view param, std::string_view part, Json changes) {
    Json body = talk("one");
    for (auto& [key, value] : changes.items()) body[key] = value;
    expect_api_error(param, part, [&] { store.save(body); });
  };
  refuse("title", "1,000 bytes", {{"title", std::string(1001, 'x')}});
  refuse("title", "a text is expected", {{"title", 1}});
  refuse("messages", "an array is expected", {{"messages", nullptr}});
  refuse("messages[0].role", "system, user or assistant", {{"messages", {{{"role", "tool"}, {"content", ""}}}}});
  refuse("messages[0].content", "missing", {{"messages", {{{"role", "user"}}}}});
  refuse("messages[0].parent", "an earlier message",
         {{"messages", {{{"role", "user"}, {"content", ""}, {"parent", 0}}}}});
  refuse(
      "messages[1].parent", "an earlier message",
      {{"messages", {{{"role", "user"}, {"content", ""}}, {{"role", "user"}, {"content", ""}, {"parent", {0, 1}}}}}});
  refuse("sampling", "an object", {{"sampling", 1}});
  refuse("titel", "did you mean", {{"titel", "x"}});
  EXPECT_TRUE(store.list().empty());
}

TEST(ConversationRoutes, SaveListReadAndRemove) {
  const Scratch scratch;
  const TestServer server({save_run(scratch, "small")}, {}, {.data = scratch.path("data")});
  const Json head = server.json("/v1/conversation", talk("one"));
  EXPECT_EQ(Json::parse(server.get("/v1/conversations").body)["data"], Json::array({head}));
  const std::string id = head["id"];
  EXPECT_EQ(Json::parse(server.get("/v1/conversation?id=" + id).body)["system"], "Be brief.");
  EXPECT_EQ(server.get("/v1/conversation?id=..%2F..%2Fetc").status, 404);
  EXPECT_EQ(server.get("/v1/conversation").status, 400);
  server.json("/v1/conversation/remove", {{"id", id}});
  server.json("/v1/conversation/remove", {{"id", id}}, 404);
  EXPECT_TRUE(Json::parse(server.get("/v1/conversations").body)["data"].empty());
  using std::filesystem::perms;
  EXPECT_EQ(std::filesystem::status(scratch.path("data")).permissions(), perms::owner_all) << "they are private";
}

TEST(ConversationRoutes, SayThatNothingIsKept) {
  const Scratch scratch;
  const TestServer server({save_run(scratch, "small")});
  for (const char* path : {"/v1/conversation", "/v1/feedback"}) {
    EXPECT_THAT(server.json(path, talk("one"), 404)["error"]["message"], HasSubstr("--data DIR"));
  }
}

}  // namespace
}  // namespace kiln
