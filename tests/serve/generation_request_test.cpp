// What requests for chat completions and completions may say, and by which name the rest is refused.
#include "serve/generation_request.h"

#include <nlohmann/json.hpp>

#include "expect_api_error.h"
#include <limits>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using testing::expect_api_error;

/// Returns a body with these members beside the one that is required.
std::string chat_body(const std::string& members) {
  return R"({"messages": [{"role": "user", "content": "Hi"}])" + (members.empty() ? "" : ", " + members) + "}";
}
std::string completion_body(const std::string& members) {
  return R"({"prompt": "Once")" + (members.empty() ? "" : ", " + members) + "}";
}
GenerationRequest chat(const std::string& members) { return read_chat_request(chat_body(members)); }
GenerationRequest completion(const std::string& members) { return read_completion_request(completion_body(members)); }

void expect_chat_error(std::string_view param, std::string_view part, const std::string& members) {
  SCOPED_TRACE(members);
  expect_api_error(param, part, [&] { chat(members); });
}
void expect_completion_error(std::string_view param, std::string_view part, const std::string& members) {
  SCOPED_TRACE(members);
  expect_api_error(param, part, [&] { completion(members); });
}
/// Expects both kinds of request to be refused.
void expect_both_errors(std::string_view param, std::string_view part, const std::string& members) {
  expect_chat_error(param, part, members);
  expect_completion_error(param, part, members);
}
void expect_messages_error(std::string_view param, std::string_view part, const std::string& messages) {
  SCOPED_TRACE(messages);
  expect_api_error(param, part, [&] { read_chat_request(R"({"messages": )" + messages + "}"); });
}
void expect_prompt_error(std::string_view param, std::string_view part, const std::string& prompt) {
  SCOPED_TRACE(prompt);
  expect_api_error(param, part, [&] { read_completion_request(R"({"prompt": )" + prompt + "}"); });
}
std::vector<ChatMessage> messages_of(const std::string& messages) {
  return read_chat_request(R"({"messages": )" + messages + "}").messages;
}
std::vector<PromptInput> prompts_of(const std::string& prompt) {
  return read_completion_request(R"({"prompt": )" + prompt + "}").prompts;
}

TEST(GenerationRequest, DefaultsDrawFromTheModelAsItIs) {
  for (const GenerationRequest& request : {chat(""), completion("")}) {
    EXPECT_EQ(request.model, "");
    EXPECT_EQ(request.n, 1);
    EXPECT_EQ(request.sampling.temperature, 1);
    EXPECT_EQ(request.sampling.top_k, 0);
    EXPECT_EQ(request.sampling.top_p, 1);
    EXPECT_EQ(request.sampling.min_p, 0);
    EXPECT_EQ(request.sampling.repetition_penalty, 1);
    EXPECT_EQ(request.sampling.presence_penalty, 0);
    EXPECT_EQ(request.sampling.frequency_penalty, 0);
    EXPECT_TRUE(request.sampling.logit_bias.empty());
    EXPECT_TRUE(request.stops.empty());
    EXPECT_FALSE(request.seed);
    EXPECT_FALSE(request.log_probabilities);
    EXPECT_EQ(request.top, 0);
    EXPECT_FALSE(request.stream || request.include_usage || request.echo || request.drops_oldest_turns);
  }
  EXPECT_TRUE(chat("").is_chat);
  EXPECT_FALSE(completion("").is_chat);
  EXPECT_EQ(chat("").max_tokens, std::nullopt);
  EXPECT_EQ(completion("").max_tokens, 16);
  EXPECT_THAT(completion("").prompts, ElementsAre(PromptInput("Once")));
}

TEST(GenerationRequest, ReadsWhatBothHaveInCommon) {
  const std::string members = R"("model": "tales", "n": 3, "temperature": 0, "top_p": 0.5, "top_k": 40, "min_p": 0.05,
    "repetition_penalty": 1.1, "presence_penalty": -2, "frequency_penalty": 2.0, "seed": 7, "stop": ["\n", "User:"],
    "logit_bias": {"0": -100, "17": 2.5}, "max_tokens": 5, "stream": true, "stream_options": {"include_usage": true})";
  for (const GenerationRequest& request : {chat(members), completion(members)}) {
    EXPECT_EQ(request.model, "tales");
    EXPECT_EQ(request.n, 3);
    EXPECT_EQ(request.sampling.temperature, 0);
    EXPECT_EQ(request.sampling.top_p, 0.5);
    EXPECT_EQ(request.sampling.top_k, 40);
    EXPECT_EQ(request.sampling.min_p, 0.05);
    EXPECT_EQ(request.sampling.repetition_penalty, 1.1);
    EXPECT_EQ(request.sampling.presence_penalty, -2);
    EXPECT_EQ(request.sampling.frequency_penalty, 2);
    EXPECT_THAT(request.sampling.logit_bias, ElementsAre(std::pair(0, -100.0F), std::pair(17, 2.5F)));
    EXPECT_THAT(request.stops, ElementsAre("\n", "User:"));
    EXPECT_EQ(request.seed, 7);
    EXPECT_EQ(request.max_tokens, 5);
    EXPECT_TRUE(request.stream && request.include_usage);
  }
}

TEST(GenerationRequest, NullIsAsAbsent) {
  const std::string common = R"("model": null, "n": null, "temperature": null, "top_p": null, "stop": null,
    "seed": null, "logit_bias": null, "stream": null, "stream_options": null, "logprobs": null, "max_tokens": null,
    "presence_penalty": null, "user": null, "no_such_field": null)";
  EXPECT_EQ(completion(common + R"(, "suffix": null, "echo": null, "best_of": null)").max_tokens, 16);
  const GenerationRequest request =
      chat(common + R"(, "tools": null, "response_format": null, "top_logprobs": null, "truncation": null)");
  EXPECT_EQ(request.max_tokens, std::nullopt);
  EXPECT_EQ(request.sampling.temperature, 1);
}

TEST(GenerationRequest, WhatChangesNothingIsIgnored) {
  const std::string members = R"("user": "u", "metadata": {"a": "b"}, "store": true, "service_tier": "auto",
    "safety_identifier": "s", "prompt_cache_key": "k")";
  EXPECT_EQ(chat(members).n, 1);
  EXPECT_EQ(completion(members).n, 1);
  EXPECT_EQ(chat(R"("stream": true, "stream_options": {"include_obfuscation": false})").include_usage, false);
}

TEST(GenerationRequest, NumbersOutOfRangeAreRefusedByName) {
  expect_both_errors("temperature", "temperature: 2.5 was sent; a number of at least 0 and at most 2 is expected",
                     R"("temperature": 2.5)");
  expect_both_errors("temperature", "-0.1 was sent", R"("temperature": -0.1)");
  expect_both_errors("top_p", "0 was sent; a number of more than 0 and at most 1 is expected", R"("top_p": 0)");
  expect_both_errors("top_p", "1.01 was sent", R"("top_p": 1.01)");
  expect_both_errors("top_k", "-1 was sent", R"("top_k": -1)");
  expect_both_errors("min_p", "1.5 was sent", R"("min_p": 1.5)");
  expect_both_errors("repetition_penalty", "0 was sent", R"("repetition_penalty": 0)");
  expect_both_errors("repeat_penalty", "1e+30 was sent", R"("repeat_penalty": 1e30)");
  expect_both_errors("presence_penalty", "2.1 was sent", R"("presence_penalty": 2.1)");
  expect_both_errors("frequency_penalty", "-3 was sent", R"("frequency_penalty": -3)");
  expect_both_errors("n", "an integer of at least 1 and at most 128 is expected", R"("n": 0)");
  expect_both_errors("n", "129 was sent", R"("n": 129)");
  expect_both_errors("n", "1.5 was sent", R"("n": 1.5)");
  expect_both_errors("max_tokens", "-1 was sent", R"("max_tokens": -1)");
  expect_both_errors("max_tokens", "9223372036854775807 was sent", R"("max_tokens": 9223372036854775807)");
  expect_both_errors("seed", "1e+30 was sent; an integer is expected", R"("seed": 1e30)");
}

TEST(GenerationRequest, WrongTypesAreRefusedByName) {
  expect_both_errors("temperature", "\"hot\" was sent; a number of", R"("temperature": "hot")");
  expect_both_errors("n", "true was sent; an integer", R"("n": true)");
  expect_both_errors("model", "[...] was sent; a text is expected", R"("model": ["a"])");
  expect_both_errors("stream", "1 was sent; true or false is expected", R"("stream": 1)");
  expect_both_errors("stop", "5 was sent; a text or an array of texts is expected", R"("stop": 5)");
  expect_both_errors("logit_bias", "[] was sent; an object is expected", R"("logit_bias": [])");
  expect_both_errors("seed", "\"7\" was sent; an integer is expected", R"("seed": "7")");
  expect_both_errors("stream_options", "true was sent; an object", R"("stream": true, "stream_options": true)");
  expect_chat_error("logprobs", "5 was sent; true or false", R"("logprobs": 5)");
  expect_completion_error("logprobs", "true was sent; an integer", R"("logprobs": true)");
}

TEST(GenerationRequest, IntegersMayHaveAPoint) {
  EXPECT_EQ(chat(R"("max_tokens": 4.0, "n": 2e0)").max_tokens, 4);
  EXPECT_EQ(chat(R"("max_tokens": 2147483647)").max_tokens, 2147483647);
}

TEST(GenerationRequest, AnyIntegerIsASeed) {
  EXPECT_EQ(chat(R"("seed": -1)").seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(chat(R"("seed": 18446744073709551615)").seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(chat(R"("seed": -9223372036854775808)").seed, std::uint64_t{1} << 63);
  EXPECT_EQ(chat(R"("seed": 0)").seed, 0);
}

TEST(GenerationRequest, StopsAreUpToFourTexts) {
  EXPECT_THAT(chat(R"("stop": "END")").stops, ElementsAre("END"));
  EXPECT_THAT(chat(R"("stop": [])").stops, ElementsAre());
  EXPECT_EQ(chat(R"("stop": ["a", "b", "c", "d"])").stops.size(), 4);
  expect_both_errors("stop", "5 texts were sent; send at most 4", R"("stop": ["a", "b", "c", "d", "e"])");
  expect_both_errors("stop", "give a text of 1 to 1,000 bytes", R"("stop": "")");
  expect_both_errors("stop[1]", "give a text of 1 to 1,000 bytes", R"("stop": ["a", ""])");
  expect_both_errors("stop[0]", "7 was sent; a text is expected", R"("stop": [7])");
  expect_both_errors("stop", "give a text of 1 to 1,000 bytes", R"("stop": ")" + std::string(1001, 'x') + '"');
}

TEST(GenerationRequest, RepetitionPenaltyHasTwoNames) {
  EXPECT_EQ(chat(R"("repeat_penalty": 1.2)").sampling.repetition_penalty, 1.2);
  EXPECT_EQ(chat(R"("repeat_penalty": 1.2, "repetition_penalty": 1.2)").sampling.repetition_penalty, 1.2);
  expect_both_errors("repetition_penalty", "repeat_penalty says otherwise; send one of them",
                     R"("repeat_penalty": 1.2, "repetition_penalty": 1.3)");
}

TEST(GenerationRequest, LogitBiasNamesTokensByTheirIds) {
  expect_both_errors("logit_bias.5", "101 was sent; a number of at least -100", R"("logit_bias": {"5": 101})");
  expect_both_errors("logit_bias.5", "\"a\" was sent", R"("logit_bias": {"5": "a"})");
  for (const std::string key : {"the", "", "-1", "5 ", "05", "1.0", "2147483648", "99999999999999999999"}) {
    expect_both_errors("logit_bias", '"' + key + "\" was sent; a token's id as the key is expected",
                       R"("logit_bias": {")" + key + R"(": 1})");
  }
}

TEST(GenerationRequest, OnlyStreamsHaveOptions) {
  EXPECT_FALSE(chat(R"("stream": true, "stream_options": {})").include_usage);
  for (const std::string stream : {"", R"("stream": false, )"}) {
    expect_both_errors("stream_options", "only a stream has options; send \"stream\": true as well",
                       stream + R"("stream_options": {"include_usage": true})");
  }
  expect_both_errors("stream_options.include_usag", "did you mean \"stream_options.include_usage\"?",
                     R"("stream": true, "stream_options": {"include_usag": true})");
}

TEST(GenerationRequest, UnknownFieldsAreRefusedWithTheNearestName) {
  expect_both_errors("temprature", "temprature: there is no such field; did you mean \"temperature\"?",
                     R"("temprature": 1)");
  expect_both_errors("grammar", "grammar: there is no such field", R"("grammar": "x")");
  expect_chat_error("maxtokens", "did you mean \"max_tokens\"?", R"("maxtokens": 1)");
  expect_chat_error("echo", "there is no such field", R"("echo": true)");
  expect_completion_error("messages", "there is no such field", R"("messages": [])");
  expect_completion_error("truncation", "there is no such field", R"("truncation": "error")");
}

TEST(GenerationRequest, ChatHasTwoNamesForMaxTokens) {
  EXPECT_EQ(chat(R"("max_tokens": 3)").max_tokens, 3);
  EXPECT_EQ(chat(R"("max_completion_tokens": 3)").max_tokens, 3);
  EXPECT_EQ(chat(R"("max_completion_tokens": 3, "max_tokens": 3)").max_tokens, 3);
  expect_chat_error("max_completion_tokens", "max_tokens says otherwise; send one of them",
                    R"("max_completion_tokens": 3, "max_tokens": 4)");
  expect_chat_error("max_completion_tokens", "0 was sent; an integer of at least 1", R"("max_completion_tokens": 0)");
}

TEST(GenerationRequest, ChatReportsUpToTwentyTokens) {
  EXPECT_TRUE(chat(R"("logprobs": true)").log_probabilities);
  EXPECT_EQ(chat(R"("logprobs": true, "top_logprobs": 20)").top, 20);
  EXPECT_FALSE(chat(R"("logprobs": false, "top_logprobs": 0)").log_probabilities);
  expect_chat_error("top_logprobs", "21 was sent", R"("logprobs": true, "top_logprobs": 21)");
  expect_chat_error("top_logprobs", "send \"logprobs\": true as well", R"("top_logprobs": 2)");
}

TEST(GenerationRequest, ChatMayDropTheOldestTurns) {
  EXPECT_TRUE(chat(R"("truncation": "oldest_turns")").drops_oldest_turns);
  EXPECT_FALSE(chat(R"("truncation": "error")").drops_oldest_turns);
  expect_chat_error("truncation", "\"auto\" was sent; \"error\" or \"oldest_turns\" is expected",
                    R"("truncation": "auto")");
}

TEST(GenerationRequest, ToolsAreRefusedUnlessThereAreNone) {
  const std::string tool = R"([{"type": "function", "function": {"name": "f"}}])";
  expect_chat_error("tools", "tools are not supported", R"("tools": )" + tool);
  expect_chat_error("functions", "tools are not supported", R"("functions": )" + tool);
  expect_chat_error("tools", "an array is expected", R"("tools": {})");
  expect_chat_error("tool_choice", "tools are not supported", R"("tool_choice": "required")");
  expect_chat_error("tool_choice", "tools are not supported", R"("tool_choice": {"type": "function"})");
  EXPECT_EQ(chat(R"("tools": [], "functions": [], "tool_choice": "auto", "parallel_tool_calls": true)").n, 1);
  EXPECT_EQ(chat(R"("tool_choice": "none", "function_call": "none")").n, 1);
}

TEST(GenerationRequest, AnswersAreTexts) {
  EXPECT_EQ(chat(R"("response_format": {"type": "text"}, "modalities": ["text"])").n, 1);
  expect_chat_error("response_format.type", "\"json_object\" was sent; \"text\", the only one that is supported,",
                    R"("response_format": {"type": "json_object"})");
  expect_chat_error("response_format.type", "it is missing; \"text\" is expected", R"("response_format": {})");
  expect_chat_error("response_format", "\"text\" was sent; an object is expected", R"("response_format": "text")");
  expect_chat_error("modalities", "only [\"text\"] is supported", R"("modalities": ["text", "audio"])");
  expect_chat_error("reasoning_effort", "it is not supported", R"("reasoning_effort": "high")");
}

TEST(GenerationRequest, ReadsMessagesOfEveryRole) {
  EXPECT_THAT(messages_of(R"([{"role": "system", "content": "a"}, {"role": "developer", "content": "b"},
      {"role": "user", "content": "ü\u0000"}, {"role": "assistant", "content": ""}])"),
              ElementsAre(ChatMessage{ChatRole::system, "a"}, ChatMessage{ChatRole::system, "b"},
                          ChatMessage{ChatRole::user, std::string("ü\0", 3)}, ChatMessage{ChatRole::assistant, ""}));
}

TEST(GenerationRequest, MessagesComeBackAsOpenAisClientsKeepThem) {
  EXPECT_THAT(messages_of(R"([{"role": "assistant", "content": "a", "refusal": null, "annotations": [], "audio": null,
      "function_call": null, "tool_calls": []}])"),
              ElementsAre(ChatMessage{ChatRole::assistant, "a"}));
}

TEST(GenerationRequest, PartsOfTextAreLines) {
  EXPECT_THAT(messages_of(R"([{"role": "user", "content": [{"type": "text", "text": "a "},
                                                           {"text": "b", "type": "text"}]}])"),
              ElementsAre(ChatMessage{ChatRole::user, "a \nb"}));
}

TEST(GenerationRequest, AToolsResultIsAMessage) {
  EXPECT_THAT(
      messages_of(R"([{"role": "user", "content": "a"}, {"role": "tool", "content": "b", "tool_call_id": "x"}])"),
      ElementsAre(ChatMessage{ChatRole::user, "a"}, ChatMessage{ChatRole::tool, "b"}));
}

TEST(GenerationRequest, MessagesAreRefusedByIndex) {
  expect_messages_error("messages", "an array is expected", R"("Hi")");
  expect_messages_error("messages", "give an array with at least one message", "[]");
  expect_messages_error("messages", "give an array with at least one message", "null");
  expect_messages_error("messages[0]", "\"Hi\" was sent; an object is expected", R"(["Hi"])");
  const auto second = [](const std::string& message) {
    return R"([{"role": "user", "content": "Hi"}, )" + message + ']';
  };
  expect_messages_error("messages[1].role", "nothing was sent; system, developer", second(R"({"content": "a"})"));
  expect_messages_error("messages[1].role", "did you mean \"user\"?", second(R"({"role": "usr", "content": "a"})"));
  expect_messages_error("messages[1].role", "3 was sent; a text", second(R"({"role": 3, "content": "a"})"));
  expect_messages_error("messages[1].role", "tools are not supported; a tool's result has the role tool",
                        second(R"({"role": "function", "content": "a", "name": "x"})"));
  expect_messages_error("messages[1].tool_call_id", "there is no such field",
                        second(R"({"role": "user", "content": "a", "tool_call_id": "x"})"));
  expect_messages_error("messages[1].tool_calls", "tools are not supported",
                        second(R"({"role": "assistant", "content": null, "tool_calls": [{}]})"));
  expect_messages_error("messages[1].nam", "there is no such field",
                        second(R"({"role": "user", "content": "a", "nam": 1})"));
}

TEST(GenerationRequest, ContentIsRefusedByIndex) {
  const auto message = [](const std::string& content) {
    return R"([{"role": "assistant", "content": )" + content + "}]";
  };
  expect_messages_error("messages[0].content", "it is missing", R"([{"role": "assistant"}])");
  expect_messages_error("messages[0].content", "it is missing; a text or an array of parts", message("null"));
  expect_messages_error("messages[0].content", "[] was sent; a text or an array of parts", message("[]"));
  expect_messages_error("messages[0].content", "{...} was sent", message(R"({"type": "text", "text": "a"})"));
  expect_messages_error("messages[0].content[0]", "\"a\" was sent; an object", message(R"(["a"])"));
  expect_messages_error("messages[0].content[1].type", "\"image_url\" was sent; \"text\", the only one",
                        message(R"([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}])"));
  expect_messages_error("messages[0].content[0].type", "it is missing", message(R"([{"text": "a"}])"));
  expect_messages_error("messages[0].content[0].text", "it is missing", message(R"([{"type": "text"}])"));
  expect_messages_error("messages[0].content[0].text", "5 was sent", message(R"([{"type": "text", "text": 5}])"));
  expect_messages_error("messages[0].content[0].txt", "did you mean \"messages[0].content[0].text\"?",
                        message(R"([{"type": "text", "text": "a", "txt": "b"}])"));
}

TEST(GenerationRequest, PromptsAreTextsOrTokens) {
  using Ids = std::vector<TokenId>;
  EXPECT_THAT(prompts_of(R"("")"), ElementsAre(PromptInput("")));
  EXPECT_THAT(prompts_of(R"(["a", ""])"), ElementsAre(PromptInput("a"), PromptInput("")));
  EXPECT_THAT(prompts_of("[3, 0, 2147483647]"), ElementsAre(PromptInput(Ids{3, 0, 2147483647})));
  EXPECT_THAT(prompts_of("[[1], [2, 3]]"), ElementsAre(PromptInput(Ids{1}), PromptInput(Ids{2, 3})));
  EXPECT_THAT(prompts_of(R"([[1], "a"])"), ElementsAre(PromptInput(Ids{1}), PromptInput("a")));
}

TEST(GenerationRequest, PromptsAreRefusedByIndex) {
  expect_prompt_error("prompt", "it is missing; a text, an array of token ids, or an array of either", "null");
  expect_prompt_error("prompt", "[] was sent", "[]");
  expect_prompt_error("prompt", "5 was sent", "5");
  expect_prompt_error("prompt[0]", "it is empty; give at least one token", "[[]]");
  expect_prompt_error("prompt[1]", "\"a\" was sent; an integer of at least 0", R"([1, "a"])");
  expect_prompt_error("prompt[1]", "1 was sent; a text or an array of ids", R"(["a", 1])");
  expect_prompt_error("prompt[0]", "true was sent", "[true]");
  expect_prompt_error("prompt[0]", "-1 was sent", "[-1]");
  expect_prompt_error("prompt[0]", "2147483648 was sent", "[2147483648]");
  expect_prompt_error("prompt[1][2]", "0.5 was sent", "[[1], [1, 2, 0.5]]");
}

TEST(GenerationRequest, AnswersToAllPromptsAreLimited) {
  const auto body = [](int prompts, int n) {
    return Json{{"prompt", std::vector<std::string>(static_cast<std::size_t>(prompts), "a")}, {"n", n}}.dump();
  };
  EXPECT_EQ(read_completion_request(body(128, 1)).prompts.size(), 128);
  EXPECT_EQ(read_completion_request(body(2, 64)).n, 64);
  expect_api_error("prompt", "129 prompts were sent; send at most 128", [&] { read_completion_request(body(129, 1)); });
  expect_api_error("n", "65 answers to each of 2 prompts were requested; ask for at most 128 in all",
                   [&] { read_completion_request(body(2, 65)); });
}

TEST(GenerationRequest, CompletionsMayRepeatTheirPrompt) {
  EXPECT_EQ(completion(R"("echo": true, "max_tokens": 0)").max_tokens, 0);
  EXPECT_TRUE(completion(R"("echo": true)").echo);
  expect_completion_error("max_tokens", "it is 0, so that there is nothing to answer", R"("max_tokens": 0)");
}

TEST(GenerationRequest, CompletionsReportUpToFiveTokens) {
  EXPECT_TRUE(completion(R"("logprobs": 0)").log_probabilities);
  EXPECT_EQ(completion(R"("logprobs": 0)").top, 0);
  EXPECT_EQ(completion(R"("logprobs": 5)").top, 5);
  expect_completion_error("logprobs", "6 was sent", R"("logprobs": 6)");
}

TEST(GenerationRequest, CompletionsRefuseBestOfAndSuffix) {
  EXPECT_EQ(completion(R"("n": 2, "best_of": 2, "suffix": "")").n, 2);
  expect_completion_error("best_of", "use kiln sample --best-of", R"("best_of": 2)");
  expect_completion_error("suffix", "it is not supported", R"("suffix": "end")");
}

}  // namespace
}  // namespace kiln
