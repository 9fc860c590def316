// Watches the parser's events before anything is built from them: a body may come from anyone.
#include "serve/request_fields.h"

#include "kiln/core/error.h"
#include "kiln/core/format.h"
#include "kiln/core/nearest.h"

#include "serve/api_error.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <utility>

namespace kiln {
namespace {

constexpr std::size_t kDeepest = 64;            // objects and arrays within each other
constexpr std::size_t kLongestPath = 256;       // bytes of the keys above and of a value
constexpr std::size_t kMostValues = 1'000'000;  // 128 prompts of 7,800 tokens

/// Refuses bodies whose values parse_json would take long to build: it keeps the path of each, and collects every key
/// given twice. Syntax errors are left to it.
class BodyGuard final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(std::int64_t) override { return count(); }
  bool number_unsigned(std::uint64_t) override { return count(); }
  bool number_float(double, const std::string&) override { return count(); }
  bool string(std::string&) override { return count(); }
  bool binary(Json::binary_t&) override { return false; }  // never in JSON text
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override { return false; }

  bool key(std::string& key) override {
    Level& level = levels_.back();
    path_bytes_ += key.size() - std::exchange(level.key_bytes, key.size());
    if (path_bytes_ > kLongestPath) {
      refuse_field("", fmt::format("the key {} is too long: with the keys around it, it may have at most {}",
                                   brief_json(key), counted(kLongestPath, "byte")));
    }
    if (!level.keys.insert(key).second) refuse_field(key, "it is given twice; keep one of them");
    return true;
  }

 private:
  struct Level {  // an open object or array
    std::size_t key_bytes = 0;
    std::unordered_set<std::string> keys = {};
  };

  bool count() {
    if (++values_ > kMostValues)
      refuse_field("", fmt::format("the body has more than {}", counted(kMostValues, "value")));
    return true;
  }

  bool open() {
    if (levels_.size() == kDeepest) refuse_field("", fmt::format("the body is nested more than {} deep", kDeepest));
    levels_.emplace_back();
    return count();
  }

  bool close() {
    path_bytes_ -= levels_.back().key_bytes;
    levels_.pop_back();
    return true;
  }

  std::vector<Level> levels_;
  std::size_t path_bytes_ = 0;
  std::size_t values_ = 0;
};

bool is_within(double value, const Constraint& c) {
  if (c.minimum && (c.minimum_excluded ? value <= *c.minimum : value < *c.minimum)) return false;
  return !c.maximum || (c.maximum_excluded ? value < *c.maximum : value <= *c.maximum);
}

/// Returns "an integer" or "an integer of at least 1".
std::string with_range(std::string_view kind, const Constraint& range) {
  const std::string text = range_text(range);
  return text.empty() ? std::string(kind) : fmt::format("{} of {}", kind, text);
}

std::optional<std::int64_t> as_integer(const Json& value) {
  using Limits = std::numeric_limits<std::int64_t>;
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    return std::in_range<std::int64_t>(number) ? std::optional(static_cast<std::int64_t>(number)) : std::nullopt;
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto number = value.get<double>();
  const bool fits = number >= static_cast<double>(Limits::min()) && number < std::ldexp(1.0, Limits::digits);
  return fits && std::trunc(number) == number ? std::optional(static_cast<std::int64_t>(number)) : std::nullopt;
}

}  // namespace

void refuse_field(const std::string& field, std::string_view message) {
  throw ApiError(400, printable(field.empty() ? std::string(message) : fmt::format("{}: {}", field, message)), field);
}

void expect_field(const std::string& field, const Json& value, std::string_view what) {
  refuse_field(field, fmt::format("{} was sent; {} is expected", brief_json(value), what));
}

std::int64_t to_integer(const std::string& field, const Json& value, const Constraint& range) {
  const std::optional<std::int64_t> integer = as_integer(value);
  if (!integer || !is_within(static_cast<double>(*integer), range)) {
    expect_field(field, value, with_range("an integer", range));
  }
  return *integer;
}

double to_number(const std::string& field, const Json& value, const Constraint& range) {
  if (!value.is_number() || !is_within(value.get<double>(), range)) {
    expect_field(field, value, with_range("a number", range));
  }
  return value.get<double>();
}

std::string to_text(const std::string& field, const Json& value) {
  if (!value.is_string()) expect_field(field, value, "a text");
  return value.get<std::string>();
}

Json parse_body(std::string_view body) {
  BodyGuard guard;
  Json::sax_parse(body, &guard);
  try {
    Json json = parse_json(body, "the body");
    if (!json.is_object()) refuse_field("", fmt::format("the body is {}; an object is expected", brief_json(json)));
    return json;
  } catch (const Error& error) {
    throw ApiError(400, error.what());
  }
}

RequestFields::RequestFields(const Json& object, std::string where) : object_(&object), where_(std::move(where)) {
  if (!object.is_object()) expect_field(where_, object, "an object");
}

std::string RequestFields::path(std::string_view name) const {
  return where_.empty() ? std::string(name) : fmt::format("{}.{}", where_, name);
}

const Json* RequestFields::find(std::string_view name) {
  known_.push_back(name);
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

const Json* RequestFields::find_array(std::string_view name) {
  const Json* value = find(name);
  if (value != nullptr && !value->is_array()) expect_field(path(name), *value, "an array");
  return value;
}

std::optional<bool> RequestFields::boolean(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) expect_field(path(name), *value, "true or false");
  return value->get<bool>();
}

std::optional<std::int64_t> RequestFields::integer(std::string_view name, const Constraint& range) {
  const Json* value = find(name);
  return value != nullptr ? std::optional(to_integer(path(name), *value, range)) : std::nullopt;
}

std::optional<double> RequestFields::number(std::string_view name, const Constraint& range) {
  const Json* value = find(name);
  return value != nullptr ? std::optional(to_number(path(name), *value, range)) : std::nullopt;
}

std::optional<std::string> RequestFields::text(std::string_view name) {
  const Json* value = find(name);
  return value != nullptr ? std::optional(to_text(path(name), *value)) : std::nullopt;
}

void RequestFields::ignore(std::initializer_list<std::string_view> names) {
  known_.insert(known_.end(), names.begin(), names.end());
}

void RequestFields::refuse(std::string_view name, std::string_view message) const { refuse_field(path(name), message); }

void RequestFields::refuse_given(std::initializer_list<std::string_view> names, std::string_view message) {
  for (const std::string_view name : names) {
    if (find(name) != nullptr) refuse(name, message);
  }
}

void RequestFields::refuse_unknown() const {
  for (const auto& [name, value] : object_->items()) {
    if (value.is_null() || std::ranges::find(known_, name) != known_.end()) continue;
    const std::string_view meant = nearest(name, known_);
    refuse(name, meant.empty() ? "there is no such field"
                               : fmt::format("there is no such field; did you mean \"{}\"?", path(meant)));
  }
}

}  // namespace kiln
