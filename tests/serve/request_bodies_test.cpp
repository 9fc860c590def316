// Bodies that are no requests: whatever a client sends, it is told in an error of status 400, and soon.
#include "kiln/core/rng.h"
#include "kiln/core/utf8.h"

#include <nlohmann/json.hpp>

#include "expect_api_error.h"
#include "serve/generation_request.h"
#include <limits>
#include <utility>

namespace kiln {
namespace {

using testing::expect_api_error;

/// Expects both readers to refuse a body as a whole.
void expect_refusal(std::string_view part, const std::string& body, std::string_view param = "") {
  SCOPED_TRACE(body.substr(0, 60));
  expect_api_error(param, part, [&] { read_chat_request(body); });
  expect_api_error(param, part, [&] { read_completion_request(body); });
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(RequestBodies, SyntaxErrorsHaveLineAndColumn) {
  expect_refusal("the body:1:1: not valid JSON: unexpected end of input", "");
  expect_refusal("the body:2:9: not valid JSON", "{\n \"n\": 1,}");
  expect_refusal("not valid JSON", "{\"n\": NaN}");
  expect_refusal("not valid JSON", "{} {}");
  expect_refusal("a NUL at byte 2", std::string("{}\0", 3));
}

TEST(RequestBodies, AreObjects) {
  expect_refusal("the body is [...]; an object is expected", "[1]");
  expect_refusal("the body is null; an object is expected", "null");
}

TEST(RequestBodies, KeysAreGivenOnce) {
  expect_refusal("n: it is given twice; keep one of them", R"({"n": 1, "n": 1})", "n");
  expect_refusal("role: it is given twice", R"({"messages": [{"role": "user", "role": "user"}]})", "role");
}

TEST(RequestBodies, AreUtf8) {
  expect_refusal("ill-formed UTF-8 byte", "{\"prompt\": \"\xff\"}");
  expect_refusal("ill-formed UTF-8 byte", "{\"\xc0\x80\": 1}");
  expect_refusal("not valid JSON", R"({"prompt": "\ud800"})");
}

TEST(RequestBodies, NumbersOverflow) { expect_refusal("number overflow", R"({"n": 1e999})"); }

TEST(RequestBodies, DepthIsLimited) {
  expect_refusal("nested more than 64 deep", std::string(100'000, '['));
  expect_refusal("nested more than 64 deep", repeated("{\"a\":", 100'000));
  expect_refusal("nested more than 64 deep", R"({"metadata": )" + std::string(100, '[') + std::string(100, ']') + '}');
}

// Each took the square of its length to read: of every value the path is kept, and of every key given twice.
TEST(RequestBodies, CostNoMoreThanTheirLength) {
  const auto expect_refusal = [](std::string_view part, const std::string& body, std::string_view param = "") {
    expect_api_error(param, part, [&] { read_chat_request(body); });
  };
  const std::string key(std::size_t{1} << 20, 'k');
  expect_refusal("too long", "{\"" + key + "\": [" + repeated("[],", 1 << 18) + "[]]}");
  expect_refusal("given twice", '{' + repeated("\"a\":1,", 1 << 20) + "\"a\":1}", "a");
  expect_refusal("more than 1,000,000 values", "{\"prompt\": [" + repeated("[],", 1 << 20) + "[]]}");
  expect_refusal("more than 1,000,000 values", "{\"prompt\": [" + repeated("1,", 1 << 20) + "1]}");
}

TEST(RequestBodies, MessagesQuoteLittleOfThem) {
  for (const std::string body : {R"({"prompt": "a", "messages": [{"role": "a", "content": "b"}], "n": ")", R"({"a)"}) {
    try {
      read_completion_request(body + std::string(200'000, 'x') + "\"}");
      ADD_FAILURE() << body;
    } catch (const ApiError& error) {
      EXPECT_LT(std::string_view(error.what()).size(), 300U);
    }
  }
}

using Reader = GenerationRequest (*)(std::string_view);

const std::vector<std::pair<Reader, std::string>>& valid_bodies() {
  static const std::vector<std::pair<Reader, std::string>> bodies = {
      {read_chat_request, R"({"model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user",
        "content": [{"type": "text", "text": "a"}]}], "max_completion_tokens": 7, "temperature": 0.5, "top_p": 0.9,
        "n": 2, "stop": ["x", "y"], "stream": true, "stream_options": {"include_usage": true}, "logprobs": true,
        "top_logprobs": 3, "logit_bias": {"5": -100, "6": 1.5}, "presence_penalty": 1, "frequency_penalty": -1,
        "seed": -3, "response_format": {"type": "text"}, "modalities": ["text"], "tools": [], "tool_choice": "auto",
        "user": "u", "metadata": {"k": "v"}, "top_k": 4, "min_p": 0.1, "repeat_penalty": 1.1,
        "truncation": "oldest_turns"})"},
      {read_completion_request, R"({"model": "m", "prompt": [[1, 2], [3]], "max_tokens": 0, "echo": true,
        "logprobs": 2, "n": 2, "best_of": 2, "suffix": "", "stop": "x", "seed": 18446744073709551615,
        "temperature": 0, "repetition_penalty": 1.1, "logit_bias": {}})"},
      {read_completion_request, R"({"prompt": ["a", "b\u00e9"], "stream": false, "top_p": 1, "store": null})"},
  };
  return bodies;
}

Json odd_value(Rng& rng) {
  static const std::vector<std::string> values = {"null",
                                                  "true",
                                                  "false",
                                                  "0",
                                                  "-0.0",
                                                  "1",
                                                  "-1",
                                                  "129",
                                                  "0.5",
                                                  "1e308",
                                                  "-1e-320",
                                                  "9223372036854775807",
                                                  "-9223372036854775808",
                                                  "18446744073709551615",
                                                  "2147483648",
                                                  "1e19",
                                                  R"("")",
                                                  R"("text")",
                                                  R"("\u0000")",
                                                  R"("none")",
                                                  R"("5")",
                                                  "[]",
                                                  "[[]]",
                                                  "[null]",
                                                  R"([""])",
                                                  "[1]",
                                                  "[1,\"a\"]",
                                                  "{}",
                                                  R"({"type":"text"})",
                                                  R"({"":{}})",
                                                  R"({"5":1})",
                                                  R"([{"type":"text","text":""}])",
                                                  R"([{"role":"user","content":""}])"};
  return Json::parse(values[rng.below(values.size())]);
}

/// Replaces, removes, adds or renames something within the value.
void mutate(Json& json, Rng& rng) {
  if (!json.is_structured() || json.empty() || rng.below(8) == 0) {
    json = odd_value(rng);
    return;
  }
  const std::size_t at = rng.below(json.size());
  auto place = std::next(json.begin(), static_cast<std::ptrdiff_t>(at));
  const std::uint64_t change = rng.below(8);
  if (change == 0) {
    json.erase(place);
  } else if (change == 1 && json.is_array()) {
    json.push_back(odd_value(rng));
  } else if (change == 1) {
    std::string key = place.key();
    if (!key.empty()) key[rng.below(key.size())] = static_cast<char>('a' + rng.below(26));
    json[key] = rng.below(2) == 0 ? place.value() : odd_value(rng);
  } else {
    mutate(*place, rng);
  }
}

std::string with_other_bytes(std::string text, Rng& rng) {
  for (std::uint64_t i = rng.below(3); i > 0 && !text.empty(); --i) {
    const std::size_t at = rng.below(text.size());
    const std::uint64_t change = rng.below(4);
    if (change == 0) text[at] = static_cast<char>(rng.below(256));
    if (change == 1) text.resize(at);
    if (change == 2) text.insert(at, text, rng.below(text.size()), rng.below(20));
    if (change == 3) text.erase(at, rng.below(5));
  }
  return text;
}

/// Expects what whoever reads a request relies on.
void expect_sound(const GenerationRequest& request) {
  request.sampling.validate();
  for (const auto& [token, bias] : request.sampling.logit_bias) EXPECT_TRUE(token >= 0 && bias >= -100 && bias <= 100);
  EXPECT_TRUE(request.n >= 1 && request.n * std::ssize(request.prompts) <= 128);
  EXPECT_GE(request.max_tokens.value_or(1), request.echo ? 0 : 1);
  EXPECT_LE(request.max_tokens.value_or(1), std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(request.is_chat, !request.messages.empty());
  EXPECT_EQ(request.is_chat, request.prompts.empty());
  EXPECT_TRUE(request.top == 0 || request.log_probabilities);
  EXPECT_TRUE(request.stream || !request.include_usage);
  EXPECT_LE(request.stops.size(), 4U);
  for (const std::string& stop : request.stops) EXPECT_FALSE(stop.empty());
  for (const ChatMessage& message : request.messages) {
    EXPECT_EQ(utf8_valid_until(message.content), message.content.size());
  }
  for (const PromptInput& prompt : request.prompts) {
    const auto* tokens = std::get_if<std::vector<TokenId>>(&prompt);
    EXPECT_TRUE(tokens == nullptr || (!tokens->empty() && std::ranges::min(*tokens) >= 0));
  }
}

TEST(RequestBodies, ChangedAnyhowAreReadOrRefused) {
  constexpr int kRounds = 5000;
  Rng rng(1, "bodies");
  int read = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto& [reader, valid] = valid_bodies()[rng.below(valid_bodies().size())];
    Json json = Json::parse(valid);
    for (std::uint64_t i = rng.below(4); i > 0; --i) mutate(json, rng);
    const std::string body = with_other_bytes(json.dump(), rng);
    SCOPED_TRACE(body);
    try {
      expect_sound(reader(body));
      ++read;
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status(), 400);
      EXPECT_EQ(utf8_valid_until(error.what()), std::string_view(error.what()).size());
      EXPECT_EQ(Json::parse(error.reply().body)["error"]["message"], error.what());
    }
    if (HasFailure()) break;
  }
  EXPECT_GT(read, kRounds / 20);  // the changes are small enough that some remain requests
  EXPECT_LT(read, kRounds / 2);
}

}  // namespace
}  // namespace kiln
