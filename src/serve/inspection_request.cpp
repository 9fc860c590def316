// Reads one field after the other, and refuses what no function has read.
#include "serve/inspection_request.h"

#include "kiln/core/format.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "serve/prompt_fields.h"
#include "serve/request_fields.h"
#include <algorithm>
#include <initializer_list>
#include <limits>
#include <utility>

namespace kiln {
namespace {

constexpr Constraint kIds = between(0, std::numeric_limits<TokenId>::max());
constexpr Index kMostTop = 100;
constexpr Index kMostContinued = 256;
constexpr Index kMostShown = 2000;
constexpr Index kMostNeighbours = 100;
constexpr double kMostRate = 1000;
constexpr Index kLeastSize = 11, kMostSize = 31;
constexpr double kLeastExtent = 0.001, kMostExtent = 10;

CheckpointChoice read_checkpoint(RequestFields& fields) {
  const Json* value = fields.find("checkpoint");
  if (value == nullptr) return {};
  if (*value == "untrained") return {.step = {}, .untrained = true};
  if (!value->is_number()) expect_field(fields.path("checkpoint"), *value, "a step or \"untrained\"");
  return {.step = to_integer(fields.path("checkpoint"), *value, at_least(0))};
}

/// Begins a request with what is looked at: a model and its checkpoint.
template <class Request>
Request read_subject(RequestFields& fields) {
  Request request;
  request.model = fields.text("model").value_or("");
  request.checkpoint = read_checkpoint(fields);
  return request;
}

void read_input(RequestFields& fields, InspectionRequest& request) {
  const std::optional<std::string> text = fields.text("text");
  const Json* tokens = fields.find_array("tokens");
  const bool has_messages = fields.find("messages") != nullptr;
  if ((text ? 1 : 0) + (tokens != nullptr ? 1 : 0) + (has_messages ? 1 : 0) != 1) {
    fields.refuse("text", "send one of text, tokens and messages");
  }
  if (text) request.input = *text;
  if (tokens != nullptr) request.input = read_tokens(fields.path("tokens"), *tokens);
  if (has_messages) request.messages = read_messages(fields);
}

void read_attention(RequestFields& fields, InspectionRequest& request) {
  const Json* value = fields.find("attention");
  if (value == nullptr) return;
  request.has_all_heads = *value == "all";
  if (request.has_all_heads) return;
  const std::string field = fields.path("attention");
  if (!value->is_object()) expect_field(field, *value, R"("all" or {"layer": ..., "head": ...})");
  RequestFields members(*value, field);
  const auto layer = members.integer("layer", at_least(0)), head = members.integer("head", at_least(0));
  if (!layer) members.refuse("layer", "it is missing");
  if (!head) members.refuse("head", "it is missing");
  members.refuse_unknown();
  request.head = {.layer = *layer, .head = *head};
}

void read_continuation(RequestFields& fields, InspectionRequest& request) {
  const Json* value = fields.find("continue");
  if (value == nullptr) return;
  RequestFields members(*value, fields.path("continue"));
  request.continuation = members.integer("max_tokens", between(1, kMostContinued)).value_or(40);
  request.sampling.temperature = members.number("temperature", between(0, 2)).value_or(0);
  request.seed = read_seed(members).value_or(request.seed);
  members.refuse_unknown();
}

/// Reads "text" or "tokens".
PromptInput read_text(RequestFields& fields) {
  const std::optional<std::string> text = fields.text("text");
  const Json* tokens = fields.find_array("tokens");
  if (text.has_value() == (tokens != nullptr)) fields.refuse("text", "send one of text and tokens");
  return text ? PromptInput(*text) : PromptInput(read_tokens(fields.path("tokens"), *tokens));
}

/// Returns the place of a field's value in `choices`, 0 without a value.
std::size_t read_choice(RequestFields& fields, std::string_view name, std::initializer_list<std::string_view> choices) {
  const std::string value = fields.text(name).value_or(std::string(*choices.begin()));
  const auto found = std::ranges::find(choices, value);
  if (found == choices.end()) expect_field(fields.path(name), value, fmt::format("{}", fmt::join(choices, " or ")));
  return static_cast<std::size_t>(found - choices.begin());
}

StepRequest read_action(RequestFields& fields, const std::string& session) {
  StepRequest request{.session = session};
  constexpr StepAction kActions[] = {StepAction::step, StepAction::undo, StepAction::reset, StepAction::end};
  request.action = kActions[read_choice(fields, "action", {"step", "undo", "reset", "end"})];
  const std::optional<double> rate = fields.number("rate", positive_up_to(kMostRate));
  if (request.action == StepAction::step && !rate)
    fields.refuse("rate", "it is missing; a step needs one, such as 0.01");
  request.rate = rate.value_or(0);
  fields.refuse_unknown();
  return request;
}

}  // namespace

InspectionRequest read_inspection_request(std::string_view body) {
  const Json json = parse_body(body);
  RequestFields fields(json);
  auto request = read_subject<InspectionRequest>(fields);
  read_input(fields, request);
  request.top = fields.integer("top", between(1, kMostTop)).value_or(request.top);
  request.has_lens = fields.boolean("layers").value_or(false);
  read_attention(fields, request);
  read_continuation(fields, request);
  fields.refuse_unknown();
  return request;
}

EmbeddingsRequest read_embeddings_request(std::string_view body) {
  const Json json = parse_body(body);
  RequestFields fields(json);
  auto request = read_subject<EmbeddingsRequest>(fields);
  request.first = fields.integer("first", between(0, kMostShown)).value_or(request.first);
  const Json* tokens = fields.find_array("tokens");
  if (tokens != nullptr && std::ssize(*tokens) > kMostShown) {
    fields.refuse("tokens", fmt::format("{} were sent; send at most {}", format_count(std::ssize(*tokens)),
                                        format_count(kMostShown)));
  }
  if (tokens != nullptr && !tokens->empty()) request.tokens = read_tokens(fields.path("tokens"), *tokens);
  const auto token = fields.integer("neighbours_of", kIds);
  if (token) request.neighbours_of = static_cast<TokenId>(*token);
  request.count = fields.integer("count", between(1, kMostNeighbours)).value_or(request.count);
  fields.refuse_unknown();
  return request;
}

StepRequest read_step_request(std::string_view body) {
  const Json json = parse_body(body);
  RequestFields fields(json);
  if (const auto session = fields.text("session")) return read_action(fields, *session);
  auto request = read_subject<StepRequest>(fields);
  request.input = read_text(fields);
  request.target = fields.text("target").value_or("");
  request.scores_all = read_choice(fields, "loss", {"target", "all"}) == 1;
  request.top = fields.integer("top", between(1, kMostTop)).value_or(request.top);
  fields.refuse_unknown();
  return request;
}

ValleyRequest read_valley_request(std::string_view body) {
  const Json json = parse_body(body);
  RequestFields fields(json);
  auto request = read_subject<ValleyRequest>(fields);
  request.held_out = read_choice(fields, "data", {"text", "held_out"}) == 1;
  if (request.held_out) fields.refuse_given({"text", "tokens"}, "data is \"held_out\"; send one of them");
  if (!request.held_out) request.input = read_text(fields);
  request.along_run = read_choice(fields, "directions", {"random", "run"}) == 1;
  request.size = fields.integer("size", between(kLeastSize, kMostSize)).value_or(request.size);
  if (request.size % 2 == 0) fields.refuse("size", "an odd number is expected: then the model itself is in the middle");
  request.extent = fields.number("extent", between(kLeastExtent, kMostExtent)).value_or(request.extent);
  request.seed = read_seed(fields).value_or(request.seed);
  fields.refuse_unknown();
  return request;
}

}  // namespace kiln
