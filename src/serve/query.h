// Reads the part of a target after its '?', and refuses what is wrong by the parameter's name.
#pragma once

#include "kiln/core/fields.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kiln {

/// The parameters "name=value&..." of a request, decoded. All functions throw ApiError (400).
class Query {
 public:
  /// `known` are the names that the path takes. Throws for another one, with a suggestion, and for a '%' that is not
  /// followed by two hexadecimal digits.
  Query(std::string_view text, std::span<const std::string_view> known);

  /// Returns all values of a name, in order.
  std::vector<std::string> all(std::string_view name) const;

  /// Returns the value of a name; nullopt without one, or with an empty one. Throws if it has several.
  std::optional<std::string> text(std::string_view name) const;
  std::string required_text(std::string_view name) const;
  std::optional<double> number(std::string_view name, const Constraint& range = {}) const;

  /// Returns the index of the value among `choices`; 0 without one.
  std::size_t choice(std::string_view name, std::span<const std::string_view> choices) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

}  // namespace kiln
