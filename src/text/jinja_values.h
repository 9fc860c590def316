// What Jinja's operators, filters, tests and methods do with values, as Python defines them.
#pragma once

#include "kiln/core/json.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln::jinja {

/// A name or an item that does not exist: Jinja's Undefined.
inline Json undefined() { return Json(Json::value_t::discarded); }
inline bool is_undefined(const Json& value) { return value.is_discarded(); }

/// The arguments of a call.
struct Arguments {
  std::vector<Json> by_place;
  std::vector<std::pair<std::string, Json>> by_name;

  /// Returns an argument by its place or its name; undefined if it is not given.
  Json get(std::size_t place, std::string_view name) const;
};

// All throw JinjaError where Python would throw, and for what is not built here.

bool is_true(const Json& value);

/// Returns what {{ value }} writes.
std::string as_text(const Json& value);

/// Returns the result of an operator with two sides, of + - * / // % ~ == != < <= > >= in.
Json operate(std::string_view sign, const Json& left, const Json& right);

/// Returns value[key]; undefined if there is no such item.
Json item(const Json& value, const Json& key);

/// Returns value[begin:end:step]; an undefined part is one that was left out.
Json slice(const Json& value, const Json& begin, const Json& end, const Json& step);

/// Returns the values that a loop over this one visits.
std::vector<Json> elements(const Json& value);

Json apply_filter(std::string_view name, const Json& value, const Arguments& arguments);
bool apply_test(std::string_view name, const Json& value, const Arguments& arguments);
Json call_method(std::string_view name, const Json& value, const Arguments& arguments);

}  // namespace kiln::jinja
