// Compares three documents: the old file, the new file, and the run's own config.
#include "run/config_changes.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace kiln {
namespace {

/// Returns the member of an object, or an empty object if it is missing, so that an added or removed section counts as
/// its keys.
const Json& section(const Json& object, const std::string& key) {
  static const Json none = Json::object();
  const auto found = object.find(key);
  return found == object.end() ? none : *found;
}

void apply(const Json& then, const Json& now, const std::string& pointer, Json& node, Json& document) {
  Json keys = then;
  keys.update(now);
  for (const auto& [key, ignored] : keys.items()) {
    const Json &before = section(then, key), &after = section(now, key);
    if (then.contains(key) == now.contains(key) && before == after) continue;
    const std::string at = child_pointer(pointer, key);
    if (before.is_object() && after.is_object()) {  // or missing
      if (!node[key].is_object()) node[key] = Json::object();
      apply(before, after, at, node[key], document);
    } else if (!now.contains(key)) {
      node.erase(key);
    } else {
      node[key] = after;
      if (!after.is_null()) displace_other_lengths(document, at);
    }
  }
}

/// Returns the document as a complete config, every key in its usual form. Problems are reported when it is read.
Json normal_form(const Json& document) {
  Config config;
  Problems ignored;
  from_json(document, config, ignored);
  return config_to_json(config);
}

void collect_differing(const Json& given, const Json& file, const Json& run, const std::string& pointer,
                       std::vector<Difference>& differences) {
  for (const auto& [key, value] : given.items()) {
    const std::string at = child_pointer(pointer, key);
    if (value.is_null() || !file.contains(key)) continue;
    if (value.is_object()) {
      collect_differing(value, file[key], run[key], at, differences);
    } else if (file[key] != run[key]) {
      differences.push_back({at, brief_json(file[key]), brief_json(run[key])});
    }
  }
}

}  // namespace

void displace_other_lengths(Json& document, const std::string& pointer) {
  constexpr std::array kLengths{"/train/steps", "/train/epochs", "/train/time_budget"};
  if (std::ranges::find(kLengths, pointer) == kLengths.end()) return;
  for (const char* length : kLengths) {
    const Json::json_pointer other(length);
    if (pointer != length && document.contains(other)) document[other] = nullptr;
  }
}

void apply_changes(const Json& then, const Json& now, Json& document) {
  if (!then.is_object() || !now.is_object() || !document.is_object()) return;
  apply(then, now, "", document, document);
}

std::vector<Difference> differing_keys(const Json& file, const Json& run) {
  std::vector<Difference> differences;
  if (file.is_object() && run.is_object())
    collect_differing(file, normal_form(file), normal_form(run), "", differences);
  return differences;
}

}  // namespace kiln
