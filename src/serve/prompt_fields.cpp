// Reads what several requests have in common: messages, tokens, seeds.
#include "serve/prompt_fields.h"

#include "kiln/core/nearest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <limits>
#include <utility>

namespace kiln {
namespace {

constexpr Constraint kTokenIds = between(0, std::numeric_limits<TokenId>::max());

ChatRole read_role(RequestFields& fields) {
  static constexpr std::array<std::string_view, 5> kRoles{"system", "developer", "user", "assistant", "tool"};
  const std::string role = fields.text("role").value_or("");
  if (role == "system" || role == "developer") return ChatRole::system;
  if (role == "user") return ChatRole::user;
  if (role == "assistant") return ChatRole::assistant;
  if (role == "tool") return ChatRole::tool;
  if (role == "function") fields.refuse("role", "tools are not supported; a tool's result has the role tool");
  const std::string_view meant = nearest(role, kRoles);
  fields.refuse("role", fmt::format("{} was sent; system, developer, user, assistant or tool is expected{}",
                                    role.empty() ? "nothing" : brief_json(role),
                                    meant.empty() ? "" : fmt::format("; did you mean \"{}\"?", meant)));
}

/// Reads a text, or parts, which become lines, as in llama.cpp and vLLM.
std::string read_content(RequestFields& fields) {
  constexpr std::string_view kExpected = "a text or an array of parts {\"type\": \"text\", \"text\": ...}";
  const Json* content = fields.find("content");
  const std::string field = fields.path("content");
  if (content == nullptr) refuse_field(field, fmt::format("it is missing; {} is expected", kExpected));
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array() || content->empty()) expect_field(field, *content, kExpected);
  std::string text;
  for (std::size_t i = 0; i < content->size(); ++i) {
    RequestFields part((*content)[i], item(field, i));
    require_text(part, "type");
    const std::optional<std::string> piece = part.text("text");
    if (!piece) part.refuse("text", "it is missing");
    if (i > 0) text += '\n';
    text += *piece;
    part.refuse_unknown();
  }
  return text;
}

}  // namespace

std::string item(const std::string& array, std::size_t index) { return fmt::format("{}[{}]", array, index); }

void require_text(RequestFields& fields, std::string_view name) {
  const Json* value = fields.find(name);
  if (value == nullptr) fields.refuse(name, "it is missing; \"text\" is expected");
  if (*value != "text") expect_field(fields.path(name), *value, "\"text\", the only one that is supported,");
}

void refuse_tools(RequestFields& fields, std::initializer_list<std::string_view> lists) {
  for (const std::string_view name : lists) {
    const Json* tools = fields.find_array(name);
    if (tools != nullptr && !tools->empty()) fields.refuse(name, "tools are not supported");
  }
}

std::vector<ChatMessage> read_messages(RequestFields& fields) {
  const Json* messages = fields.find_array("messages");
  if (messages == nullptr || messages->empty()) fields.refuse("messages", "give an array with at least one message");
  std::vector<ChatMessage> read;
  for (std::size_t i = 0; i < messages->size(); ++i) {
    RequestFields message((*messages)[i], item("messages", i));
    const ChatRole role = read_role(message);
    refuse_tools(message, {"tool_calls"});
    read.push_back({role, read_content(message)});
    message.ignore({"annotations"});  // which come with the answers of OpenAI's API, and so come back
    if (role == ChatRole::tool) message.ignore({"tool_call_id"});  // no template writes it
    message.refuse_unknown();
  }
  return read;
}

std::vector<TokenId> read_tokens(const std::string& field, const Json& ids) {
  if (ids.empty()) refuse_field(field, "it is empty; give at least one token");
  std::vector<TokenId> tokens;
  tokens.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    tokens.push_back(static_cast<TokenId>(to_integer(item(field, i), ids[i], kTokenIds)));
  }
  return tokens;
}

std::optional<std::uint64_t> read_seed(RequestFields& fields) {
  const Json* value = fields.find("seed");
  if (value == nullptr) return std::nullopt;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  return static_cast<std::uint64_t>(to_integer(fields.path("seed"), *value, {}));
}

}  // namespace kiln
