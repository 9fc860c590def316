// The JSON of answers, whole and in chunks, as clients of OpenAI's API read it.
#include "serve/generation_reply.h"

#include "kiln/text/none_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

namespace kiln {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr double kNotPredicted = std::numeric_limits<double>::quiet_NaN();
constexpr TokenId kEnd = 256;

/// Bytes, and 256 for "<|endoftext|>".
const Tokenizer& byte_tokenizer() {
  static const std::unique_ptr<Tokenizer> tokenizer = [] {
    TokenizerConfig config;
    config.type = TokenizerKind::byte;
    return make_tokenizer(config, {});
  }();
  return *tokenizer;
}

GenerationReply chat_reply(bool log_probabilities = false) {
  return {true, "7", 1700000000, "tales", log_probabilities, byte_tokenizer()};
}
GenerationReply completion_reply(bool log_probabilities = false) {
  return {false, "7", 1700000000, "tales", log_probabilities, byte_tokenizer()};
}

/// Returns the JSON of an event.
Json json_of(std::string_view event) {
  EXPECT_THAT(event, StartsWith("data: {"));
  EXPECT_THAT(event, EndsWith("}\n\n"));
  EXPECT_EQ(event.find('\n'), event.size() - 2) << "one line";
  return Json::parse(event.substr(6));
}

Json log_probabilities_of(GenerationReply reply, const std::vector<DecodedToken>& tokens) {
  return json_of(reply.piece(0, {"", tokens}))["choices"][0]["logprobs"];
}

TEST(GenerationReply, WholeChat) {
  const std::vector<FinishedAnswer> answers = {{{"Hi \"you\"\n", {}}, "stop"}, {{"é", {}}, "length"}};
  EXPECT_EQ(chat_reply().whole(answers, {.prompt = 9, .drawn = 12, .cached = 4}), Json::parse(R"({
    "id": "chatcmpl-7", "object": "chat.completion", "created": 1700000000, "model": "tales",
    "choices": [
      {"index": 0, "message": {"role": "assistant", "content": "Hi \"you\"\n", "refusal": null},
       "logprobs": null, "finish_reason": "stop"},
      {"index": 1, "message": {"role": "assistant", "content": "é", "refusal": null},
       "logprobs": null, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21,
              "prompt_tokens_details": {"cached_tokens": 4}}})"));
}

TEST(GenerationReply, WholeCompletion) {
  EXPECT_EQ(
      completion_reply().whole(std::vector<FinishedAnswer>{{{"a time", {}}, "length"}}, {.prompt = 2, .drawn = 3}),
      Json::parse(R"({
    "id": "cmpl-7", "object": "text_completion", "created": 1700000000, "model": "tales",
    "choices": [{"index": 0, "text": "a time", "logprobs": null, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5,
              "prompt_tokens_details": {"cached_tokens": 0}}})"));
}

TEST(GenerationReply, ChunksOfChat) {
  GenerationReply reply = chat_reply();
  EXPECT_EQ(reply.begin(1),
            R"(data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1700000000,"model":"tales",)"
            R"("choices":[{"index":1,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]})"
            "\n\n");
  EXPECT_EQ(reply.piece(1, {"Hel", {}}),
            R"(data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1700000000,"model":"tales",)"
            R"("choices":[{"index":1,"delta":{"content":"Hel"},"logprobs":null,"finish_reason":null}]})"
            "\n\n");
  EXPECT_EQ(reply.end(1, "stop"),
            R"(data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":1700000000,"model":"tales",)"
            R"("choices":[{"index":1,"delta":{},"logprobs":null,"finish_reason":"stop"}]})"
            "\n\n");
}

TEST(GenerationReply, ChunksOfCompletions) {
  GenerationReply reply = completion_reply();
  EXPECT_EQ(reply.begin(0), "");
  EXPECT_EQ(reply.piece(0, {"Hel", {}}),
            R"(data: {"id":"cmpl-7","object":"text_completion","created":1700000000,"model":"tales",)"
            R"("choices":[{"index":0,"text":"Hel","logprobs":null,"finish_reason":null}]})"
            "\n\n");
  EXPECT_EQ(json_of(reply.end(0, "length"))["choices"],
            Json::parse(R"([{"index": 0, "text": "", "logprobs": null, "finish_reason": "length"}])"));
}

TEST(GenerationReply, CountsOfAStreamHaveNoChoices) {
  EXPECT_EQ(json_of(chat_reply().usage({.prompt = 9, .drawn = 12, .cached = 8})), Json::parse(R"({"id": "chatcmpl-7",
    "object": "chat.completion.chunk", "created": 1700000000, "model": "tales", "choices": [],
    "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21,
              "prompt_tokens_details": {"cached_tokens": 8}}})"));
  EXPECT_EQ(GenerationReply::done(), "data: [DONE]\n\n");
}

TEST(GenerationReply, TextsAreEscaped) {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "é中😀";
  EXPECT_EQ(json_of(chat_reply().piece(0, {all, {}}))["choices"][0]["delta"]["content"], all);
  EXPECT_EQ(
      chat_reply().whole(std::vector<FinishedAnswer>{{{all, {}}, "stop"}}, {})["choices"][0]["message"]["content"],
      all);
  EXPECT_THAT(chat_reply().piece(0, {"é", {}}), HasSubstr("\"é\""));
}

TEST(GenerationReply, NamesAreEscaped) {
  const std::string odd = "a\"\\\n\xff";
  const GenerationReply reply(true, odd, 0, odd, false, byte_tokenizer());
  for (const Json& json : {reply.whole({}, {}), json_of(reply.begin(0))}) {
    EXPECT_EQ(json["id"], "chatcmpl-a\"\\\n\uFFFD");
    EXPECT_EQ(json["model"], "a\"\\\n\uFFFD");
  }
}

TEST(GenerationReply, BytesThatAreNotUtf8BecomeReplacements) {
  EXPECT_EQ(json_of(completion_reply().piece(0, {"a\xff", {}}))["choices"][0]["text"], "a\uFFFD");
  EXPECT_EQ(completion_reply().whole(std::vector<FinishedAnswer>{{{"a\xff", {}}, "stop"}}, {})["choices"][0]["text"],
            "a\uFFFD");
}

// Python's splitlines, with which some clients find the lines of a stream, also splits at these.
TEST(GenerationReply, EventsHaveNoCharacterAtWhichClientsSplitLines) {
  for (const std::string line_end : {"\u0085", "\u2028", "\u2029", "\v", "\f", "\x1c", "\r"}) {
    const std::string event = chat_reply().piece(0, {"é" + line_end, {}});
    EXPECT_THAT(event, Not(HasSubstr(line_end)));
    EXPECT_EQ(json_of(event)["choices"][0]["delta"]["content"], "é" + line_end);
  }
}

TEST(GenerationReply, LogProbabilitiesOfChat) {
  const std::vector<DecodedToken> tokens = {
      {.token = 'H', .log_probability = -0.25, .top = {{'H', std::exp(-0.25)}, {'J', 0.125}}},
      {.token = 'i', .log_probability = -3, .top = {}}};
  const Json wanted = Json::parse(R"({"content": [
      {"token": "H", "logprob": -0.25, "bytes": [72], "top_logprobs": [
        {"token": "H", "logprob": -0.25, "bytes": [72]},
        {"token": "J", "logprob": -2.0794415416798357, "bytes": [74]}]},
      {"token": "i", "logprob": -3.0, "bytes": [105], "top_logprobs": []}], "refusal": null})");
  EXPECT_EQ(log_probabilities_of(chat_reply(true), tokens), wanted);
  const Json whole = chat_reply(true).whole(std::vector<FinishedAnswer>{{{"Hi", tokens}, "stop"}}, {});
  EXPECT_EQ(whole["choices"][0]["logprobs"], wanted);
}

TEST(GenerationReply, LogProbabilitiesOfCompletions) {
  const std::vector<DecodedToken> tokens = {
      {.token = 'O', .log_probability = kNotPredicted, .top = {}},
      {.token = 'n', .log_probability = -0.25, .top = {{'n', std::exp(-0.25)}, {'f', 0.125}}},
      {.token = 'x', .log_probability = -7.5, .top = {{'c', 0.5}, {'d', 0.25}}},
      {.token = 'y', .log_probability = -1, .top = {}}};
  const Json wanted = Json::parse(R"({
    "tokens": ["O", "n", "x", "y"],
    "token_logprobs": [null, -0.25, -7.5, -1.0],
    "top_logprobs": [null, {"n": -0.25, "f": -2.0794415416798357},
                     {"c": -0.6931471805599453, "d": -1.3862943611198906, "x": -7.5}, {"y": -1.0}],
    "text_offset": [0, 1, 2, 3]})");
  EXPECT_EQ(log_probabilities_of(completion_reply(true), tokens), wanted);
  const Json whole = completion_reply(true).whole(std::vector<FinishedAnswer>{{{"Onxy", tokens}, "stop"}}, {});
  EXPECT_EQ(whole["choices"][0]["logprobs"], wanted);
}

TEST(GenerationReply, LogProbabilitiesOfNoTokensAreEmptyLists) {
  EXPECT_EQ(log_probabilities_of(chat_reply(true), {}), Json::parse(R"({"content": [], "refusal": null})"));
  EXPECT_EQ(log_probabilities_of(completion_reply(true), {}),
            Json::parse(R"({"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []})"));
}

TEST(GenerationReply, TokensThatWereNotRequestedAreLeftOut) {
  EXPECT_EQ(log_probabilities_of(chat_reply(), {{.token = 'a', .log_probability = -1, .top = {}}}), Json());
}

// Programs that score texts take a token as the likeliest if its number is the greatest of the listed ones.
TEST(GenerationReply, ATokensNumberIsTheSameInBothPlaces) {
  for (const double log_probability : {-0.1, -1.0 / 3, -2.345678901234, -17.77, -0.0}) {
    const std::vector<DecodedToken> tokens = {
        {.token = 'a', .log_probability = log_probability, .top = {{'a', std::exp(log_probability)}}}};
    const Json of_completion = log_probabilities_of(completion_reply(true), tokens);
    EXPECT_EQ(of_completion["token_logprobs"][0].dump(), of_completion["top_logprobs"][0]["a"].dump());
    EXPECT_EQ(of_completion["token_logprobs"][0], log_probability);
    const Json of_chat = log_probabilities_of(chat_reply(true), tokens)["content"][0];
    EXPECT_EQ(of_chat["logprob"].dump(), of_chat["top_logprobs"][0]["logprob"].dump());
  }
}

TEST(GenerationReply, LogProbabilitiesAreFiniteAndNeverIntegers) {
  const double infinity = std::numeric_limits<double>::infinity();
  const auto written = [](double log_probability) {
    GenerationReply reply = chat_reply(true);
    const std::string event = reply.piece(0, {"", {{.token = 'a', .log_probability = log_probability, .top = {}}}});
    const std::size_t begin = event.find("\"logprob\":") + 10;
    return event.substr(begin, event.find(',', begin) - begin);
  };
  EXPECT_EQ(written(-infinity), "-9999.0");
  EXPECT_EQ(written(-12345), "-9999.0");
  EXPECT_EQ(written(-2), "-2.0");
  EXPECT_EQ(written(-0.0), "0.0");
  EXPECT_EQ(written(1e-16), "0.0");  // of a sum that was rounded
  EXPECT_EQ(written(-1e-7), "-1e-07");
  EXPECT_EQ(Json::parse(written(-1e-300)), -1e-300);
  const Json json = log_probabilities_of(completion_reply(true),
                                         {{.token = 'a', .log_probability = -infinity, .top = {{'b', 1}, {'c', 0}}}});
  EXPECT_EQ(json["top_logprobs"][0].dump(), R"({"b":0.0,"c":-9999.0,"a":-9999.0})");
}

TEST(GenerationReply, TokensThatAreNotUtf8AreWrittenAsBytes) {
  const Json json =
      log_probabilities_of(chat_reply(true), {{.token = 0xE2, .log_probability = -1, .top = {{0x80, 0.5}}},
                                              {.token = '\n', .log_probability = -1, .top = {}},
                                              {.token = kEnd, .log_probability = -1, .top = {}}})["content"];
  EXPECT_EQ(json[0]["token"], "bytes:\\xe2");
  EXPECT_EQ(json[0]["bytes"], Json::parse("[226]"));
  EXPECT_EQ(json[0]["top_logprobs"][0]["token"], "bytes:\\x80");
  EXPECT_EQ(json[1]["token"], "\n");
  EXPECT_EQ(json[2]["token"], "<|endoftext|>");
  EXPECT_EQ(json[2]["bytes"].size(), 13U);
}

TEST(GenerationReply, IdsBeyondTheTokenizersHaveNoBytes) {
  const std::vector<DecodedToken> tokens = {{.token = 5000, .log_probability = -1, .top = {{5001, 0.5}}},
                                            {.token = 'a', .log_probability = -1, .top = {}}};
  const Json json = log_probabilities_of(chat_reply(true), tokens)["content"][0];
  EXPECT_EQ(json["token"], "token_id:5000");
  EXPECT_EQ(json["bytes"], Json());
  EXPECT_EQ(json["top_logprobs"][0]["token"], "token_id:5001");
  EXPECT_EQ(log_probabilities_of(completion_reply(true), tokens)["text_offset"], Json::parse("[0, 0]"));
}

TEST(GenerationReply, OffsetsCountCharactersOverAllPieces) {
  GenerationReply reply = completion_reply(true);
  const auto offsets = [&](Index choice, const std::string& bytes) {
    AnswerPiece piece;
    for (const char byte : bytes) piece.tokens.push_back({static_cast<unsigned char>(byte), -1, {}});
    return json_of(reply.piece(choice, piece))["choices"][0]["logprobs"]["text_offset"].dump();
  };
  EXPECT_EQ(offsets(1, "a\xC3"), "[0,1]");
  EXPECT_EQ(offsets(0, "xyz"), "[0,1,2]");
  EXPECT_EQ(offsets(1, "\xA9"), "[1]") << "within the character at 1";
  EXPECT_EQ(offsets(1, "b\xFF"), "[2,3]");
  EXPECT_EQ(offsets(1, "c"), "[4]") << "a byte of no character is one in the text";
  EXPECT_EQ(offsets(0, "w"), "[3]");
}

TEST(GenerationReply, OffsetsCountTheSpacesBetweenIds) {
  const NoneTokenizer ids(100);
  GenerationReply reply(false, "7", 0, "m", true, ids);
  const std::vector<DecodedToken> tokens = {{12, -1, {}}, {7, -1, {}}, {33, -1, {}}};
  const Json json = json_of(reply.piece(0, {"12 7 33", tokens}))["choices"][0]["logprobs"];
  EXPECT_EQ(json["tokens"], Json::parse(R"(["12", "7", "33"])"));
  EXPECT_EQ(json["text_offset"], Json::parse("[0, 2, 4]"));
}

TEST(GenerationReply, PiecesPutTogetherAreTheWhole) {
  std::vector<DecodedToken> tokens;
  for (const char byte : std::string_view("Zwölf Boxkämpfer")) {
    tokens.push_back({static_cast<unsigned char>(byte), -0.5 * static_cast<double>(tokens.size()), {{'Z', 0.25}}});
  }
  GenerationReply reply = completion_reply(true);
  Json together = log_probabilities_of(completion_reply(true), {});
  for (const DecodedToken& token : tokens) {
    const Json piece = json_of(reply.piece(0, {"", {token}}))["choices"][0]["logprobs"];
    for (const auto& [name, list] : piece.items()) together[name].push_back(list[0]);
  }
  EXPECT_EQ(together, log_probabilities_of(completion_reply(true), tokens));
}

}  // namespace
}  // namespace kiln
