// Recognises a record's shape by a table of keys; each shape has a function that reads it.
#include "data/judgement_shapes.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"

#include "data/record_value.h"
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace kiln {
namespace {

bool is_blank(std::string_view text) { return trim_content(text).empty(); }

bool is_empty(const std::vector<ChatMessage>& messages) {
  return std::ranges::all_of(messages, [](const ChatMessage& message) { return is_blank(message.content); });
}

/// Throws Error (bad_input) for too many answers: an order of k answers has k (k - 1) / 2 pairs.
void check_count(std::size_t answers, const RecordValue& list) {
  constexpr std::size_t kMostAnswers = 1000;
  check_input(answers <= kMostAnswers, "{}: {}: has {}; at most {} fit", list.place, list.path,
              counted(static_cast<std::int64_t>(answers), "answer"), format_count(kMostAnswers));
}

JudgementRecord skipped(JudgementSkip reason) { return {.skipped = {reason}}; }

JudgementRecord only(JudgedPrompt prompt) {
  JudgementRecord record;
  if (is_empty(prompt.messages)) {
    record.skipped.push_back(JudgementSkip::no_prompt);
  } else if (prompt.answers.empty()) {
    record.skipped.push_back(JudgementSkip::no_answers);
  } else {
    record.prompts.push_back(std::move(prompt));
  }
  return record;
}

std::optional<double> margin_of(const RecordValue& record) {
  constexpr double kMost = 1000;
  if (!record.has("margin")) return std::nullopt;
  const double margin = record.at("margin").number();
  if (std::abs(margin) > kMost) record.at("margin").refuse("a number from -1000 to 1000");
  return margin;
}

double probability_of(const RecordValue& record) {
  if (!record.has("probability")) return 1;
  const RecordValue field = record.at("probability");
  const double probability = field.number();
  if (probability < 0 || probability > 1) field.refuse("a probability from 0 to 1");
  return probability;
}

/// Returns the judgement that the first of two answers is the better one with a probability, which is turned around if
/// that is below 1/2.
Judgement judgement_of(std::optional<double> margin, double probability) {
  if (probability >= 0.5) return {.order = {{0}, {1}}, .margin = margin, .probability = probability};
  if (margin) margin = -*margin;
  return {.order = {{1}, {0}}, .margin = margin, .probability = 1 - probability};
}

/// Returns a prompt with two answers, the first one better, unless the record says that this is not likely.
JudgementRecord pair_of(const RecordValue& record, std::vector<ChatMessage> prompt, std::string chosen,
                        std::string rejected) {
  if (is_same_answer(chosen, rejected)) return skipped(JudgementSkip::equal_answers);
  return only({.messages = std::move(prompt),
               .answers = {{.text = std::move(chosen)}, {.text = std::move(rejected)}},
               .judgements = {judgement_of(margin_of(record), probability_of(record))}});
}

// ---- chosen and rejected ----

/// Removes the messages of the prompt from the beginning of an answer, if it repeats them.
void drop_prompt(const std::vector<ChatMessage>& prompt, std::vector<ChatMessage>& answer) {
  const bool repeats = answer.size() > prompt.size() && std::equal(prompt.begin(), prompt.end(), answer.begin());
  if (repeats) answer.erase(answer.begin(), answer.begin() + std::ssize(prompt));
}

bool is_one_answer(const std::vector<ChatMessage>& messages) {
  return messages.size() == 1 && messages.front().role == ChatRole::assistant;
}

JudgementRecord read_explicit_pair(const RecordValue& record) {
  std::vector<ChatMessage> prompt = messages_or_text(record.at("prompt"), ChatRole::user);
  std::vector<ChatMessage> chosen = messages_or_text(record.at("chosen"), ChatRole::assistant);
  std::vector<ChatMessage> rejected = messages_or_text(record.at("rejected"), ChatRole::assistant);
  drop_prompt(prompt, chosen);
  drop_prompt(prompt, rejected);
  if (!is_one_answer(chosen) || !is_one_answer(rejected)) return skipped(JudgementSkip::differ_earlier);
  return pair_of(record, std::move(prompt), std::move(chosen[0].content), std::move(rejected[0].content));
}

JudgementRecord read_message_lists(const RecordValue& record) {
  const std::vector<ChatMessage> chosen = messages_of(record.at("chosen")),
                                 rejected = messages_of(record.at("rejected"));
  if (chosen == rejected) return skipped(JudgementSkip::equal_answers);
  const std::size_t shared = static_cast<std::size_t>(std::ranges::mismatch(chosen, rejected).in1 - chosen.begin());
  const bool is_last = chosen.size() == shared + 1 && rejected.size() == shared + 1;
  const bool are_answers =
      is_last && chosen.back().role == ChatRole::assistant && rejected.back().role == ChatRole::assistant;
  if (!are_answers) return skipped(JudgementSkip::differ_earlier);
  return pair_of(record, {chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(shared)}, chosen.back().content,
                 rejected.back().content);
}

// ---- transcripts of hh-rlhf ----

constexpr std::string_view kHuman = "\n\nHuman:", kAssistant = "\n\nAssistant:";

/// Returns the messages of a transcript. Text before the first marker is not part of any.
std::vector<ChatMessage> messages_of_transcript(std::string_view text) {
  constexpr auto kNowhere = std::string_view::npos;
  std::vector<ChatMessage> messages;
  const auto next = [&](std::size_t from) { return std::min(text.find(kHuman, from), text.find(kAssistant, from)); };
  for (std::size_t at = next(0); at != kNowhere;) {
    const bool is_human = text.substr(at).starts_with(kHuman);
    const std::size_t begin = at + (is_human ? kHuman : kAssistant).size();
    at = next(begin);
    const std::string_view content = text.substr(begin, at == kNowhere ? kNowhere : at - begin);
    messages.push_back({is_human ? ChatRole::user : ChatRole::assistant, std::string(trim_content(content))});
  }
  return messages;
}

JudgementRecord read_transcripts(const RecordValue& record) {
  const RecordValue first = record.at("chosen"), second = record.at("rejected");
  for (const RecordValue& field : {first, second}) {
    if (field.text().find(kAssistant) == std::string::npos)
      field.refuse("a transcript such as \"\\n\\nHuman: ...\\n\\nAssistant: ...\", or give the prompt as \"prompt\"");
  }
  const std::string_view chosen = first.text(), rejected = second.text();
  if (chosen == rejected) return skipped(JudgementSkip::equal_answers);
  const std::size_t shared = static_cast<std::size_t>(std::ranges::mismatch(chosen, rejected).in1 - chosen.begin());
  const std::size_t marker = chosen.substr(0, shared).rfind(kAssistant);
  if (marker == std::string_view::npos) return skipped(JudgementSkip::differ_earlier);
  const std::string_view better = chosen.substr(marker + kAssistant.size()),
                         worse = rejected.substr(marker + kAssistant.size());
  const auto goes_on = [](std::string_view answer) {
    return answer.find(kHuman) != std::string_view::npos || answer.find(kAssistant) != std::string_view::npos;
  };
  if (goes_on(better) || goes_on(worse)) return skipped(JudgementSkip::differ_earlier);
  return pair_of(record, messages_of_transcript(chosen.substr(0, marker)), std::string(trim_content(better)),
                 std::string(trim_content(worse)));
}

JudgementRecord read_implicit_pair(const RecordValue& record) {
  return record.at("chosen").value.is_string() ? read_transcripts(record) : read_message_lists(record);
}

// ---- thumbs, best of several, annotators ----

JudgementRecord read_thumb(const RecordValue& record) {
  std::vector<ChatMessage> prompt = messages_or_text(record.at("prompt"), ChatRole::user);
  std::vector<ChatMessage> answer = messages_or_text(record.at("completion"), ChatRole::assistant);
  const bool is_good = record.at("label").truth();
  drop_prompt(prompt, answer);
  if (!is_one_answer(answer)) return skipped(JudgementSkip::differ_earlier);
  return only({.messages = std::move(prompt),
               .answers = {{.text = std::move(answer[0].content),
                            .thumbs_up = is_good ? 1 : 0,
                            .thumbs_down = is_good ? 0 : 1}},
               .judgements = {}});
}

JudgementRecord read_best_of(const RecordValue& record) {
  JudgedPrompt prompt{.messages = {{ChatRole::user, record.at("query").text()}}, .answers = {}, .judgements = {}};
  for (;;) {
    const std::string key = fmt::format("sample{}", prompt.answers.size());
    if (!record.has(key.c_str())) break;
    prompt.answers.push_back({.text = record.at(key.c_str()).text()});
  }
  const std::int64_t count = std::ssize(prompt.answers);
  const auto best = static_cast<std::size_t>(record.at("best").whole_number(0, std::max<std::int64_t>(count - 1, 0)));
  Judgement judgement{.order = {{best}}};
  for (std::size_t i = 0; i < prompt.answers.size(); ++i) {
    if (i != best && !is_same_answer(prompt.answers[i].text, prompt.answers[best].text)) judgement.rest.push_back(i);
  }
  if (count > 1 && judgement.rest.empty()) return skipped(JudgementSkip::equal_answers);
  if (!judgement.rest.empty()) prompt.judgements.push_back(std::move(judgement));
  return only(std::move(prompt));
}

/// Returns A and B of "A_B"; two empty names if there is another number of underscores, or no such key.
std::array<std::string, 2> sources_of(const RecordValue& record) {
  if (!record.has("cmp_key")) return {};
  const std::string& both = record.at("cmp_key").text();
  if (std::ranges::count(both, '_') != 1) return {};
  const std::size_t at = both.find('_');
  return {both.substr(0, at), both.substr(at + 1)};
}

JudgementRecord read_annotated_pair(const RecordValue& record) {
  for (const char* key : {"response1", "response2"}) {
    if (!record.at(key).value.is_string()) return skipped(JudgementSkip::not_text);
  }
  std::string question = record.at("instruction").text();
  if (record.has("input") && !is_blank(record.at("input").text())) question += "\n\n" + record.at("input").text();
  const std::array<std::string, 2> sources = sources_of(record);
  JudgedPrompt prompt{.messages = {{ChatRole::user, std::move(question)}},
                      .answers = {{.text = record.at("response1").text(), .source = sources[0]},
                                  {.text = record.at("response2").text(), .source = sources[1]}},
                      .judgements = {}};
  if (is_same_answer(prompt.answers[0].text, prompt.answers[1].text)) return skipped(JudgementSkip::equal_answers);
  for (int annotator = 1;; ++annotator) {
    const std::string key = fmt::format("annotator{}", annotator);
    if (!record.has(key.c_str())) break;
    const std::int64_t choice = record.at(key.c_str()).whole_number(0, 2);
    Judgement judgement{.order = {{0, 1}}, .rater = key};
    if (choice != 0) {
      const auto better = static_cast<std::size_t>(choice - 1);
      judgement.order = {{better}, {1 - better}};
    }
    prompt.judgements.push_back(std::move(judgement));
  }
  return only(std::move(prompt));
}

// ---- trees ----

/// Returns a node's replies with their ranks, as a prompt with one judgement; nullopt if fewer than two have ranks.
std::optional<JudgedPrompt> ranked_replies(const RecordValue& replies, const std::vector<ChatMessage>& messages) {
  JudgedPrompt prompt{.messages = messages, .answers = {}, .judgements = {}};
  std::vector<double> ranks;
  for (std::size_t i = 0; i < replies.value.size(); ++i) {
    const RecordValue reply = replies.at(i);
    const bool is_deleted = reply.has("deleted") && reply.value["deleted"] == true;
    if (is_deleted || !reply.has("rank") || role_of(reply.at("role"), kTreeNames) != ChatRole::assistant) continue;
    const std::string& source = reply.has("model_name") ? reply.at("model_name").text() : std::string();
    ranks.push_back(reply.at("rank").number());
    prompt.answers.push_back({.text = reply.at("text").text(), .source = source});
  }
  if (ranks.size() < 2) return std::nullopt;
  check_count(ranks.size(), replies);
  std::vector<std::size_t> best_first(ranks.size());
  std::iota(best_first.begin(), best_first.end(), 0);
  std::ranges::stable_sort(best_first, {}, [&](std::size_t i) { return ranks[i]; });
  Judgement judgement;
  for (const std::size_t i : best_first) {
    const bool ties = !judgement.order.empty() && ranks[judgement.order.back().front()] == ranks[i];
    if (!ties) judgement.order.emplace_back();
    judgement.order.back().push_back(i);
  }
  prompt.judgements.push_back(std::move(judgement));
  return prompt;
}

/// A node of a tree.
struct TreeNode {
  const JsonRecord* value;
  std::string path;
  std::size_t messages_above;
};

JudgementRecord read_tree(const RecordValue& record) {
  JudgementRecord result;
  std::vector<ChatMessage> messages;  // from the prompt down to the node
  std::vector<TreeNode> open{{&record.value["prompt"], "/prompt", 0}};
  while (!open.empty()) {  // a stack of its own: a hostile tree may be deep
    const TreeNode top = std::move(open.back());
    open.pop_back();
    check_depth(top.messages_above, record.place);
    const RecordValue node{*top.value, record.place, top.path};
    messages.resize(top.messages_above);
    messages.push_back({role_of(node.at("role"), kTreeNames), node.at("text").text()});
    if (!node.has("replies")) continue;
    const RecordValue replies = node.at("replies");
    const std::size_t count = replies.size_of_list();
    if (std::optional<JudgedPrompt> prompt = ranked_replies(replies, messages)) {
      result.prompts.push_back(std::move(*prompt));
    }
    for (std::size_t i = count; i-- > 0;) {
      const bool is_deleted = replies.at(i).has("deleted") && replies.value[i]["deleted"] == true;
      if (!is_deleted) open.push_back({&replies.value[i], replies.at(i).path, messages.size()});
    }
  }
  return result;
}

// ---- kiln's own ----

JudgedAnswer read_answer(const RecordValue& field) {
  if (field.value.is_string()) return {.text = field.text()};
  JudgedAnswer answer{.text = field.at("text").text()};
  if (field.has("source")) answer.source = field.at("source").text();
  return answer;
}

/// Reads a list of answers' numbers, none of which has been seen.
std::vector<std::size_t> read_numbers(const RecordValue& list, std::vector<bool>& seen) {
  std::vector<std::size_t> numbers;
  const std::size_t count = list.size_of_list();
  for (std::size_t i = 0; i < count; ++i) {
    const RecordValue field = list.at(i);
    const bool is_known = field.value.is_number_unsigned() && field.value.get<std::uint64_t>() < seen.size();
    if (!is_known) field.refuse(fmt::format("the number of an answer, from 0 to {}", seen.size() - 1));
    const auto number = field.value.get<std::size_t>();
    if (seen[number]) field.refuse("each answer once in an order");
    seen[number] = true;
    numbers.push_back(number);
  }
  return numbers;
}

Judgement read_judgement(const RecordValue& record, JudgedPrompt& prompt) {
  Judgement judgement;
  std::vector<bool> seen(prompt.answers.size());
  const RecordValue order = record.at("order");
  const std::size_t groups = order.size_of_list();
  for (std::size_t i = 0; i < groups; ++i) {
    judgement.order.push_back(read_numbers(order.at(i), seen));
    if (judgement.order.back().empty()) order.at(i).refuse("at least one answer in a group");
  }
  if (record.has("rest")) judgement.rest = read_numbers(record.at("rest"), seen);
  if (record.has("shown")) {
    std::vector<bool> shown(prompt.answers.size());
    judgement.shown = read_numbers(record.at("shown"), shown);
  }
  if (record.has("rater")) judgement.rater = record.at("rater").text();
  judgement.margin = margin_of(record);
  if (record.has("edit")) {  // better than all that was shown
    judgement.order.insert(judgement.order.begin(), {prompt.answers.size()});
    prompt.answers.push_back({.text = record.at("edit").text(), .is_edit = true});
  }
  if (judgement.order.empty()) order.refuse("at least one group of answers, unless there is an \"edit\"");
  return judgement;
}

std::optional<JudgementKey> key_of(const RecordValue& record) {
  if (!record.has("item")) return std::nullopt;
  JudgementKey key{.rater = "", .item = record.at("item").text()};
  if (record.has("rater")) key.rater = record.at("rater").text();
  if (record.has("pass")) key.pass = record.at("pass").whole_number(0, std::numeric_limits<int>::max());
  return key;
}

JudgementRecord read_own(const RecordValue& record) {
  JudgedPrompt prompt{.messages = record.has("messages") ? messages_of(record.at("messages"))
                                                         : messages_or_text(record.at("prompt"), ChatRole::user),
                      .answers = {},
                      .judgements = {}};
  const RecordValue answers = record.at("answers");
  const std::size_t count = answers.size_of_list();
  check_count(count, answers);
  for (std::size_t i = 0; i < count; ++i) prompt.answers.push_back(read_answer(answers.at(i)));
  if (count > 0 && record.has("order")) prompt.judgements.push_back(read_judgement(record, prompt));
  JudgementRecord result = only(std::move(prompt));
  if (record.has("order")) result.key = key_of(record);
  return result;
}

/// Returns whether this is a line of kiln rank that takes a judgement back, or says that there is none.
bool is_event(const RecordValue& record) { return record.has("item") && (record.has("undo") || record.has("skip")); }

JudgementRecord read_event(const RecordValue& record) {
  JudgementRecord result{.key = key_of(record)};
  result.is_undo = record.has("undo") && record.at("undo").truth();
  result.is_skip = record.has("skip") && record.at("skip").truth();
  return result;
}

/// A shape, by keys that all its records have; null for none.
struct JudgementShape {
  std::array<const char*, 3> keys;
  JudgementRecord (*read)(const RecordValue& record);
};

// The first that fits is taken.
constexpr std::array kJudgementShapes{
    JudgementShape{{"answers", nullptr, nullptr}, read_own},
    JudgementShape{{"prompt", "chosen", "rejected"}, read_explicit_pair},
    JudgementShape{{"chosen", "rejected", nullptr}, read_implicit_pair},
    JudgementShape{{"prompt", "completion", "label"}, read_thumb},
    JudgementShape{{"query", "best", nullptr}, read_best_of},
    JudgementShape{{"response1", "response2", "annotator1"}, read_annotated_pair},
};

std::string known_judgement_keys() {
  std::string text;
  for (const JudgementShape& shape : kJudgementShapes) {
    std::string keys;
    for (const char* key : shape.keys) {
      if (key != nullptr) keys += fmt::format("{}\"{}\"", keys.empty() ? "" : " with ", key);
    }
    text += keys + ", ";
  }
  return text + "or \"prompt\" with \"replies\" in it";
}

}  // namespace

bool is_same_answer(std::string_view a, std::string_view b) { return trim_content(a) == trim_content(b); }

JudgementRecord judgements_of(const JsonRecord& record, const std::string& place) {
  check_is_object(record, place);
  const RecordValue root{record, place, ""};
  JudgementRecord result;
  if (root.has("prompt") && root.at("prompt").has("replies")) {
    result = read_tree(root);
  } else if (is_event(root)) {
    result = read_event(root);
  } else {
    const auto fits = [&](const JudgementShape& shape) {
      return std::ranges::all_of(shape.keys, [&](const char* key) { return key == nullptr || record.contains(key); });
    };
    const auto* const found = std::ranges::find_if(kJudgementShapes, fits);
    check_input(found != kJudgementShapes.end(), "{}: has {}; judged answers have {}", place, keys_of(record),
                known_judgement_keys());
    result = found->read(root);
  }
  for (JudgedPrompt& prompt : result.prompts) prompt.place = place;
  return result;
}

}  // namespace kiln
