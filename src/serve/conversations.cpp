// Checks what a page sends field by field, so that no other page stumbles over it later.
#include "serve/conversations.h"

#include "kiln/core/format.h"
#include "kiln/core/utc_time.h"

#include <fmt/format.h>

#include "serve/api_error.h"
#include "serve/request_fields.h"
#include "serve/stored_data.h"
#include <algorithm>
#include <functional>
#include <limits>
#include <random>
#include <utility>
#include <vector>

namespace kiln {
namespace {

constexpr std::uint64_t kSupersededBytes = 4 << 20;  // before the file is rewritten
constexpr std::size_t kLongestTitle = 1000;          // bytes
constexpr Constraint kMessageNumbers = between(0, std::numeric_limits<std::int32_t>::max());

Json head_of(const Json& conversation) {
  const auto member = [&](const char* key, Json otherwise) { return conversation.value(key, std::move(otherwise)); };
  const Json messages = member("messages", Json::array());
  return {{"id", member("id", "")},       {"revision", member("revision", 1)}, {"time", member("time", "")},
          {"title", member("title", "")}, {"model", member("model", "")},      {"messages", messages.size()}};
}

std::optional<LineMeaning> meaning_of(const Json& line) {
  const auto id = line.find("id");
  if (id == line.end() || !id->is_string()) return std::nullopt;
  if (line.value("removed", Json(false)) == true) return LineMeaning{.key = *id, .removes = true};
  return LineMeaning{.key = *id, .summary = head_of(line)};
}

/// Returns 32 random hexadecimal digits, which nobody guesses.
std::string new_id() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", static_cast<std::uint32_t>(device()));
  return id;
}

void check_parents(RequestFields& message, std::size_t number) {
  const Json* parent = message.find("parent");
  if (parent == nullptr) return;
  const std::string field = message.path("parent");
  const auto check_one = [&](const Json& value) {
    if (std::cmp_greater_equal(to_integer(field, value, kMessageNumbers), number))
      expect_field(field, value, "the number of an earlier message");
  };
  if (!parent->is_array()) return check_one(*parent);
  for (const Json& one : *parent) check_one(one);
}

/// Returns the messages as they were sent. Throws ApiError (400) unless each has a role and a content.
const Json& checked_messages(RequestFields& fields) {
  const Json* messages = fields.find_array("messages");
  if (messages == nullptr) fields.refuse("messages", "an array is expected");
  for (std::size_t i = 0; i < messages->size(); ++i) {
    RequestFields message((*messages)[i], fmt::format("messages[{}]", i));
    const StoredMessage checked(message);
    check_parents(message, i);
  }
  return *messages;
}

/// Returns the line of a conversation that a page has sent.
Json checked_conversation(const Json& body) {
  RequestFields fields(body);
  fields.ignore({"id", "revision", "time"});  // the server's own
  const std::string title = fields.text("title").value_or("");
  if (title.size() > kLongestTitle)
    fields.refuse("title", fmt::format("it has more than {}", counted(kLongestTitle, "byte")));
  const Json& messages = checked_messages(fields);
  const Json* sampling = fields.find("sampling");
  if (sampling != nullptr && !sampling->is_object()) expect_field("sampling", *sampling, "an object");
  Json line = {{"id", ""},
               {"revision", 1},
               {"time", utc_now()},
               {"title", title},
               {"model", fields.text("model").value_or("")},
               {"system", fields.text("system").value_or("")},
               {"sampling", sampling != nullptr ? *sampling : Json::object()},
               {"messages", messages}};
  if (const auto at = fields.integer("at", kMessageNumbers)) line["at"] = *at;
  fields.refuse_unknown();
  return line;
}

[[noreturn]] void refuse_unknown_id(const std::string& id) {
  throw ApiError(404, printable(fmt::format("there is no conversation {}; was it deleted?", brief_json(id))), "id");
}

}  // namespace

ConversationStore::ConversationStore(const std::filesystem::path& folder)
    : lines_(folder / "conversations.jsonl", meaning_of) {}

Json ConversationStore::list() {
  const LineStore::Access lines(lines_);
  std::vector<const LineStore::Entry*> entries;
  for (const auto& [id, entry] : lines.entries()) entries.push_back(&entry);
  std::ranges::sort(entries, std::greater(), &LineStore::Entry::offset);
  Json list = Json::array();
  for (const LineStore::Entry* entry : entries) list.push_back(entry->summary);
  return list;
}

std::string ConversationStore::read(const std::string& id) {
  const LineStore::Access lines(lines_);
  const LineStore::Entry* entry = lines.find(id);
  if (entry == nullptr) refuse_unknown_id(id);
  return lines.text(*entry);
}

Json ConversationStore::save(const Json& body) {
  RequestFields fields(body);
  const std::string id = fields.text("id").value_or("");
  const std::int64_t revision = fields.integer("revision", at_least(1)).value_or(0);
  Json line = checked_conversation(body);
  line["id"] = id.empty() ? new_id() : id;
  LineStore::Access lines(lines_);
  if (!id.empty()) {
    const LineStore::Entry* earlier = lines.find(id);
    if (earlier == nullptr) refuse_unknown_id(id);
    const Json& known = earlier->summary["revision"];
    if (known != revision) throw ApiError(409, "the conversation was changed on another page", "revision");
    line["revision"] = revision + 1;
  }
  store_or_refuse("the conversation is not saved", [&] { lines.append(line.dump()); });
  lines.drop_superseded(kSupersededBytes);
  return head_of(line);
}

void ConversationStore::remove(const std::string& id) {
  LineStore::Access lines(lines_);
  if (lines.find(id) == nullptr) refuse_unknown_id(id);
  const Json line = {{"id", id}, {"removed", true}};
  store_or_refuse("the conversation is not deleted", [&] { lines.append(line.dump()); });
  lines.drop_superseded(kSupersededBytes);
}

}  // namespace kiln
