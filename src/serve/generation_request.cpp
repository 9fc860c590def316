// Reads one field after the other, and refuses what no function has read.
#include "serve/generation_request.h"

#include "kiln/core/format.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/prompt_fields.h"
#include "serve/request_fields.h"
#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>
#include <utility>

namespace kiln {
namespace {

constexpr Index kMostAnswers = 128;  // of a request: to all prompts together
constexpr std::size_t kMostStops = 4;
constexpr std::size_t kLongestStop = 1000;  // bytes; each token is compared with all of it
constexpr double kMostTokens = std::numeric_limits<std::int32_t>::max();

constexpr Constraint kCount = between(1, kMostTokens);

/// Returns the value of a field that has two names. Refuses two values.
template <class T>
std::optional<T> either(const RequestFields& fields, std::string_view name, std::optional<T> value,
                        std::string_view other_name, std::optional<T> other) {
  if (value && other && *value != *other) {
    fields.refuse(name, fmt::format("{} says otherwise; send one of them", other_name));
  }
  return value ? value : other;
}

void read_logit_bias(RequestFields& fields, SamplingOptions& sampling) {
  const Json* biases = fields.find("logit_bias");
  if (biases == nullptr) return;
  const std::string field = fields.path("logit_bias");
  if (!biases->is_object()) expect_field(field, *biases, "an object");
  for (const auto& [name, value] : biases->items()) {
    TokenId token = -1;
    std::from_chars(name.data(), name.data() + name.size(), token);
    if (token < 0 || std::to_string(token) != name) expect_field(field, name, "a token's id as the key");
    const double bias = to_number(fmt::format("{}.{}", field, name), value, between(-100, 100));
    sampling.logit_bias.emplace_back(token, static_cast<float>(bias));
  }
}

void read_sampling(RequestFields& fields, SamplingOptions& sampling) {
  sampling.temperature = fields.number("temperature", between(0, 2)).value_or(1);
  sampling.top_p = fields.number("top_p", positive_up_to(1)).value_or(1);
  sampling.top_k = fields.integer("top_k", between(0, kMostTokens)).value_or(0);
  sampling.min_p = fields.number("min_p", between(0, 1)).value_or(0);
  constexpr Constraint kRepetition = between(0.01, 100), kPenalty = between(-2, 2);
  const auto repetition = fields.number("repetition_penalty", kRepetition);
  sampling.repetition_penalty =
      either(fields, "repetition_penalty", repetition, "repeat_penalty", fields.number("repeat_penalty", kRepetition))
          .value_or(1);
  sampling.presence_penalty = fields.number("presence_penalty", kPenalty).value_or(0);
  sampling.frequency_penalty = fields.number("frequency_penalty", kPenalty).value_or(0);
  read_logit_bias(fields, sampling);
}

std::string read_stop(const std::string& field, const Json& value) {
  std::string stop = to_text(field, value);
  if (stop.empty() || stop.size() > kLongestStop) {
    refuse_field(field, fmt::format("give a text of 1 to {}", counted(kLongestStop, "byte")));
  }
  return stop;
}

std::vector<std::string> read_stops(RequestFields& fields) {
  const Json* value = fields.find("stop");
  if (value == nullptr) return {};
  const std::string field = fields.path("stop");
  if (value->is_string()) return {read_stop(field, *value)};
  if (!value->is_array()) expect_field(field, *value, "a text or an array of texts");
  if (value->size() > kMostStops) {
    refuse_field(field, fmt::format("{} were sent; send at most {}", counted(std::ssize(*value), "text"), kMostStops));
  }
  std::vector<std::string> stops;
  for (std::size_t i = 0; i < value->size(); ++i) stops.push_back(read_stop(item(field, i), (*value)[i]));
  return stops;
}

void read_stream(RequestFields& fields, GenerationRequest& request) {
  request.stream = fields.boolean("stream").value_or(false);
  const Json* value = fields.find("stream_options");
  if (value == nullptr) return;
  RequestFields options(*value, fields.path("stream_options"));
  if (!request.stream) fields.refuse("stream_options", "only a stream has options; send \"stream\": true as well");
  request.include_usage = options.boolean("include_usage").value_or(false);
  options.ignore({"include_obfuscation"});  // of chunks' lengths, which no one here conceals
  options.refuse_unknown();
}

/// Reads what both requests have in common.
void read_common(RequestFields& fields, GenerationRequest& request) {
  request.model = fields.text("model").value_or("");
  request.n = fields.integer("n", between(1, kMostAnswers)).value_or(1);
  read_sampling(fields, request.sampling);
  request.stops = read_stops(fields);
  request.ignores_ends = fields.boolean("ignore_eos").value_or(false);
  request.seed = read_seed(fields);
  read_stream(fields, request);
  fields.ignore({"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"});
}

/// Accepts the values of fields that ask for what is done anyway, and refuses all others.
void read_forms(RequestFields& fields) {
  refuse_tools(fields, {"tools", "functions"});
  for (const std::string_view name : {"tool_choice", "function_call"}) {
    const Json* choice = fields.find(name);
    if (choice != nullptr && *choice != "none" && *choice != "auto") fields.refuse(name, "tools are not supported");
  }
  fields.ignore({"parallel_tool_calls"});
  if (const Json* format = fields.find("response_format")) {
    RequestFields members(*format, fields.path("response_format"));
    require_text(members, "type");
    members.refuse_unknown();
  }
  const Json* modalities = fields.find("modalities");
  if (modalities != nullptr && *modalities != Json::array({"text"})) {
    fields.refuse("modalities", "only [\"text\"] is supported");
  }
  fields.refuse_given({"audio", "prediction", "reasoning_effort", "verbosity", "web_search_options"},
                      "it is not supported");
}

bool read_truncation(RequestFields& fields) {
  const std::string truncation = fields.text("truncation").value_or("error");
  if (truncation != "error" && truncation != "oldest_turns") {
    expect_field(fields.path("truncation"), truncation, "\"error\" or \"oldest_turns\"");
  }
  return truncation == "oldest_turns";
}

std::vector<PromptInput> read_prompts(RequestFields& fields) {
  constexpr std::string_view kExpected = "a text, an array of token ids, or an array of either";
  const Json* value = fields.find("prompt");
  const std::string field = fields.path("prompt");
  if (value == nullptr) refuse_field(field, fmt::format("it is missing; {} is expected", kExpected));
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array() || value->empty()) expect_field(field, *value, kExpected);
  if (value->front().is_number()) return {read_tokens(field, *value)};
  if (std::ssize(*value) > kMostAnswers) {
    refuse_field(field,
                 fmt::format("{} were sent; send at most {}", counted(std::ssize(*value), "prompt"), kMostAnswers));
  }
  std::vector<PromptInput> prompts;
  for (std::size_t i = 0; i < value->size(); ++i) {
    const Json& prompt = (*value)[i];
    if (!prompt.is_string() && !prompt.is_array()) expect_field(item(field, i), prompt, "a text or an array of ids");
    if (prompt.is_string()) {
      prompts.emplace_back(prompt.get<std::string>());
    } else {
      prompts.emplace_back(read_tokens(item(field, i), prompt));
    }
  }
  return prompts;
}

}  // namespace

GenerationRequest read_chat_request(std::string_view body) {
  const Json json = parse_body(body);
  RequestFields fields(json);
  GenerationRequest request{.is_chat = true};
  request.messages = read_messages(fields);
  read_common(fields, request);
  const auto max_tokens = fields.integer("max_completion_tokens", kCount);
  request.max_tokens =
      either(fields, "max_completion_tokens", max_tokens, "max_tokens", fields.integer("max_tokens", kCount));
  request.log_probabilities = fields.boolean("logprobs").value_or(false);
  request.top = fields.integer("top_logprobs", between(0, 20)).value_or(0);
  if (request.top > 0 && !request.log_probabilities) {
    fields.refuse("top_logprobs", "send \"logprobs\": true as well");
  }
  request.drops_oldest_turns = read_truncation(fields);
  read_forms(fields);
  fields.refuse_unknown();
  return request;
}

GenerationRequest read_completion_request(std::string_view body) {
  constexpr Index kDefaultTokens = 16;
  const Json json = parse_body(body);
  RequestFields fields(json);
  GenerationRequest request;
  request.prompts = read_prompts(fields);
  read_common(fields, request);
  if (request.n * std::ssize(request.prompts) > kMostAnswers) {
    fields.refuse(
        "n", fmt::format("{} to each of {} were requested; ask for at most {} in all", counted(request.n, "answer"),
                         counted(std::ssize(request.prompts), "prompt"), kMostAnswers));
  }
  if (fields.integer("best_of", kCount).value_or(request.n) != request.n) {
    fields.refuse("best_of", "only n answers are drawn; for the best of several use kiln sample --best-of");
  }
  request.echo = fields.boolean("echo").value_or(false);
  request.max_tokens = fields.integer("max_tokens", between(0, kMostTokens)).value_or(kDefaultTokens);
  if (request.max_tokens == 0 && !request.echo) {
    fields.refuse("max_tokens", "it is 0, so that there is nothing to answer; send \"echo\": true or at least 1");
  }
  const auto top = fields.integer("logprobs", between(0, 5));
  request.log_probabilities = top.has_value();
  request.top = top.value_or(0);
  if (!fields.text("suffix").value_or("").empty()) fields.refuse("suffix", "it is not supported");
  fields.refuse_unknown();
  return request;
}

}  // namespace kiln
