// Splits first and decodes then, so that an encoded '&' is part of a value.
#include "serve/query.h"

#include "kiln/core/nearest.h"

#include <fmt/ranges.h>

#include "serve/api_error.h"
#include "serve/http_text.h"
#include "serve/request_fields.h"
#include <algorithm>
#include <charconv>
#include <cmath>

namespace kiln {
namespace {

std::string decoded(std::string_view text) {
  std::string spaced(text);
  std::ranges::replace(spaced, '+', ' ');
  const std::optional<std::string> bytes = percent_decoded(spaced);
  if (!bytes) throw ApiError(400, "the query has a '%' without two hexadecimal digits after it");
  return *bytes;
}

}  // namespace

Query::Query(std::string_view text, std::span<const std::string_view> known) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.empty()) continue;
    const std::size_t equals = std::min(one.find('='), one.size());
    std::string name = decoded(one.substr(0, equals));
    if (std::ranges::find(known, name) == known.end()) {
      const std::string_view meant = nearest(name, known);
      refuse_field(name, meant.empty() ? "unknown parameter" : fmt::format("unknown; did you mean \"{}\"?", meant));
    }
    parameters_.emplace_back(std::move(name), decoded(one.substr(std::min(equals + 1, one.size()))));
  }
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [known, value] : parameters_) {
    if (known == name) values.push_back(value);
  }
  return values;
}

std::optional<std::string> Query::text(std::string_view name) const {
  std::vector<std::string> values = all(name);
  if (values.size() > 1) refuse_field(std::string(name), "is given more than once");
  return values.empty() || values[0].empty() ? std::nullopt : std::optional(std::move(values[0]));
}

std::string Query::required_text(std::string_view name) const {
  std::optional<std::string> value = text(name);
  if (!value) refuse_field(std::string(name), "is missing");
  return *std::move(value);
}

std::optional<double> Query::number(std::string_view name, const Constraint& range) const {
  const std::optional<std::string> value = text(name);
  if (!value) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (error != std::errc() || end != value->data() + value->size() || !std::isfinite(number)) {
    refuse_field(std::string(name), fmt::format("\"{}\" was sent; a number is expected", *value));
  }
  return to_number(std::string(name), Json(number), range);
}

std::size_t Query::choice(std::string_view name, std::span<const std::string_view> choices) const {
  const std::optional<std::string> value = text(name);
  if (!value) return 0;
  const auto found = std::ranges::find(choices, *value);
  if (found == choices.end()) {
    refuse_field(std::string(name),
                 fmt::format("\"{}\" was sent; one of {} is expected", *value, fmt::join(choices, ", ")));
  }
  return static_cast<std::size_t>(found - choices.begin());
}

}  // namespace kiln
