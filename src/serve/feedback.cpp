// A thumb has a key, so that a person may change it; kiln then rewrites the file, since its readers count every line.
#include "serve/feedback.h"

#include "kiln/core/hash.h"
#include "kiln/core/utc_time.h"
#include "kiln/text/chat_template.h"

#include "serve/api_error.h"
#include "serve/request_fields.h"
#include "serve/stored_data.h"
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace kiln {
namespace {

std::string key_of_judgement(const Json& line) {
  std::uint64_t key = 0;
  for (const char* part : {"model", "prompt", "completion", "chosen", "rejected"}) {
    const auto found = line.find(part);
    key = hash_bytes(found == line.end() ? std::string() : found->dump(), key);
  }
  return hex(key);
}

std::optional<LineMeaning> meaning_of_judgement(const Json& line) {
  if (!line.contains("prompt")) return std::nullopt;
  return LineMeaning{.key = key_of_judgement(line)};
}

/// Returns the messages that the answer follows, with nothing but their roles and contents.
Json checked_prompt(RequestFields& fields) {
  const Json* messages = fields.find_array("messages");
  if (messages == nullptr || messages->empty()) fields.refuse("messages", "give an array with at least one message");
  Json prompt = Json::array();
  for (std::size_t i = 0; i < messages->size(); ++i) {
    RequestFields message((*messages)[i], fmt::format("messages[{}]", i));
    const StoredMessage checked(message);
    prompt.push_back({{"role", checked.role}, {"content", checked.content}});
  }
  if (prompt.back()["role"] != "user") fields.refuse("messages", "the last one must be the user's");
  return prompt;
}

/// Returns a hash that a page has kept, else `own`, else "".
std::string checked_hash(RequestFields& fields, std::string_view name, const std::string& own) {
  std::string text = fields.text(name).value_or(own);
  const bool is_hash = text.size() == 16 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!text.empty() && !is_hash) expect_field(fields.path(name), text, "a hash of 16 hexadecimal digits");
  return text;
}

/// Adds who wrote the answer. Leaves out a hash that nobody knows.
void add_source(RequestFields& fields, const std::vector<Engine::Model>& models, Json& line) {
  const std::string name = fields.text("model").value_or("");
  if (name.empty()) fields.refuse("model", "it is missing; the name of the model that answered is expected");
  const auto served = std::ranges::find(models, name, [](const Engine::Model& model) { return model->name(); });
  const bool is_served = served != models.end();
  line["model"] = name;
  const std::string checkpoint = checked_hash(fields, "checkpoint", is_served ? (*served)->fingerprint() : "");
  if (!checkpoint.empty()) line["checkpoint"] = checkpoint;
  const std::string chat = checked_hash(fields, "template", is_served ? hex((*served)->chat().hash()) : "");
  if (!chat.empty()) line["template"] = chat;
}

}  // namespace

Feedback::Feedback(const std::filesystem::path& folder) : lines_(folder / "feedback.jsonl", meaning_of_judgement) {}

void Feedback::add(const Json& body, const std::vector<Engine::Model>& models) {
  RequestFields fields(body);
  Json line = {{"prompt", checked_prompt(fields)}};
  const auto text_of = [&](std::string_view name) {
    std::optional<std::string> text = fields.text(name);
    if (!text || trim_content(*text).empty()) fields.refuse(name, "it is missing or empty; a text is expected");
    return std::move(*text);
  };
  const std::string answer = text_of("answer");
  const std::optional<std::string> vote = fields.text("vote");
  const bool is_edit = fields.find("edited") != nullptr;
  if (is_edit == vote.has_value()) fields.refuse("vote", "give either \"vote\" or \"edited\", not both");
  if (is_edit) {
    line["chosen"] = text_of("edited");
    line["rejected"] = answer;
    if (trim_content(line["chosen"].get<std::string>()) == trim_content(answer))
      fields.refuse("edited", "it is the same as the answer");
  } else {
    if (vote != "up" && vote != "down" && vote != "none") expect_field("vote", *vote, "\"up\", \"down\" or \"none\"");
    line["completion"] = answer;
    line["label"] = vote == "up";
  }
  add_source(fields, models, line);
  fields.refuse_unknown();
  line["time"] = utc_now();

  const std::string key = key_of_judgement(line);
  LineStore::Access lines(lines_);
  const bool is_known = lines.find(key) != nullptr;
  const bool is_taken_back = vote == "none";
  store_or_refuse("the feedback is not saved", [&] {
    if (is_known && !is_edit) lines.replace(key, is_taken_back ? "" : line.dump());
    if (!is_known && !is_taken_back) lines.append(line.dump());
  });
}

}  // namespace kiln
