// Serves one rater after the other; what other programs have appended to the file is read before each step.
#include "serve/ranking_task.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/sha256.h"
#include "kiln/core/utc_time.h"

#include <fmt/format.h>

#include "serve/api_error.h"
#include "serve/request_fields.h"
#include <random>

namespace kiln {
namespace {

constexpr std::size_t kLongestRemark = 100'000;  // bytes
constexpr Constraint kSeconds = between(0, 1e7);
constexpr Constraint kPlaces = between(0, kMostShown - 1);

std::string random_salt() {
  std::random_device device;
  std::string salt;
  for (int i = 0; i < 4; ++i) salt += fmt::format("{:08x}", static_cast<std::uint32_t>(device()));
  return salt;
}

/// Calls what appends to the rankings. Throws ApiError (507) if the disk does not take it.
template <class Append>
auto append_or_refuse(const Append& append) {
  try {
    return append();
  } catch (const Error& error) {
    if (error.code() != ExitCode::io) throw;
    throw ApiError(507, fmt::format("the judgement is not saved: {}", error.what()));
  }
}

std::string checked_remark(RequestFields& fields, std::string_view name) {
  std::string text(trim_content(fields.text(name).value_or("")));
  if (text.size() > kLongestRemark)
    fields.refuse(name, fmt::format("it has more than {}", counted(kLongestRemark, "byte")));
  return text;
}

/// Reads [[1], [0, 2]].
std::optional<ShownOrder> checked_order(RequestFields& fields, std::size_t answers) {
  const Json* order = fields.find_array("order");
  if (order == nullptr) return std::nullopt;
  std::vector<std::vector<std::size_t>> groups;
  for (const Json& group : *order) {
    if (!group.is_array()) expect_field("order", group, "an array of the numbers of equal answers");
    std::vector<std::size_t>& places = groups.emplace_back();
    for (const Json& place : group) places.push_back(static_cast<std::size_t>(to_integer("order", place, kPlaces)));
  }
  try {
    return completed_order(std::move(groups), answers);
  } catch (const Error& error) {
    refuse_field("order", error.what());
  }
}

Json json_of_showing(const Showing& showing, const JudgedPrompt& prompt, const std::string& id, std::size_t number) {
  Json messages = Json::array(), answers = Json::array();
  for (const ChatMessage& message : prompt.messages)
    messages.push_back({{"role", name_of(message.role)}, {"content", message.content}});
  for (const std::vector<std::size_t>& group : showing.groups) answers.push_back(prompt.answers[group.front()].text);
  return {{"id", id}, {"number", number}, {"messages", std::move(messages)}, {"answers", std::move(answers)}};
}

}  // namespace

RankingTask::RankingTask(RankingOptions options) : options_(std::move(options)), salt_(random_salt()) {
  rater_of(options_.owner);
}

RankingTask::Rater& RankingTask::rater_of(const std::string& name) {
  auto found = raters_.find(name);
  if (found == raters_.end()) {
    std::vector<Showing> showings = showings_for(options_.prompts, name, options_.seed, options_.repeat);
    std::unordered_map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < showings.size(); ++i) places[id_of(name, {showings[i].item, showings[i].pass})] = i;
    found =
        raters_.try_emplace(name, Rater{std::move(showings), std::move(places), RankingLog(options_.file, name)}).first;
  } else {
    found->second.log.refresh();
  }
  return found->second;
}

std::string RankingTask::id_of(const std::string& rater, const ShowingKey& key) const {
  return sha256(fmt::format("{} {} {} {}", salt_, key.first, key.second, rater)).substr(0, 32);
}

Json RankingTask::state_of(const std::string& name, const Rater& rater) const {
  const std::size_t next = rater.log.next(rater.showings), total = rater.showings.size();
  const std::size_t left = rater.log.left(rater.showings);
  const std::optional<ShowingKey> last = rater.log.last();
  Json state = {{"rater", name},
                {"progress", {{"done", total - left}, {"total", total}}},
                {"last", last ? Json(id_of(name, *last)) : Json()},
                {"showing", nullptr}};
  if (next == total) return state;
  const Showing& showing = rater.showings[next];
  state["showing"] =
      json_of_showing(showing, options_.prompts[showing.prompt], id_of(name, {showing.item, showing.pass}), next + 1);
  return state;
}

Json RankingTask::state(const std::string& rater) { return state_of(rater, rater_of(rater)); }

Json RankingTask::judge(const std::string& name, const Json& body) {
  RequestFields fields(body);
  Rater& rater = rater_of(name);
  const std::string id = fields.text("showing").value_or("");
  if (id.empty()) fields.refuse("showing", "it is missing; the id of what is judged is expected");
  const auto place = rater.places.find(id);
  if (place == rater.places.end())
    throw ApiError(409, "the server was restarted after this was shown; load the page again", "showing");
  const Showing& showing = rater.showings[place->second];
  if (rater.log.has(showing)) throw ApiError(409, "this is judged already, in another window or program", "showing");
  const std::optional<ShownOrder> order = checked_order(fields, showing.groups.size());
  const bool skips = fields.boolean("skip").value_or(false);
  if (order.has_value() == skips) fields.refuse("order", "give either \"order\" or \"skip\": true, not both");
  Remarks remarks{.edit = checked_remark(fields, "edit"),
                  .note = checked_remark(fields, "note"),
                  .seconds = fields.number("seconds", kSeconds).value_or(0)};
  fields.refuse_unknown();
  const Verdict verdict = verdict_of(showing, order, std::move(remarks));
  append_or_refuse([&] { rater.log.add(options_.prompts[showing.prompt], showing, verdict, utc_now()); });
  return state_of(name, rater);
}

Json RankingTask::undo(const std::string& name, const Json& body) {
  RequestFields fields(body);
  Rater& rater = rater_of(name);
  const std::string id = fields.text("last").value_or("");
  fields.refuse_unknown();
  const std::optional<ShowingKey> last = rater.log.last();
  if (!last) throw ApiError(409, "there is nothing to take back", "last");
  if (id != id_of(name, *last))
    throw ApiError(409, "another judgement is the last by now; look at it before you take it back", "last");
  append_or_refuse([&] { return rater.log.undo(utc_now()); });
  return state_of(name, rater);
}

}  // namespace kiln
