// Reads the fields of a JSON object that a client sent, and refuses what is wrong by the field's name.
#pragma once

#include "kiln/core/fields.h"
#include "kiln/core/json.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// Throws ApiError (400) "FIELD: MESSAGE", on one line; of the whole body if `field` is "".
[[noreturn]] void refuse_field(const std::string& field, std::string_view message);

/// Throws ApiError (400) "FIELD: VALUE was sent; WHAT is expected".
[[noreturn]] void expect_field(const std::string& field, const Json& value, std::string_view what);

/// Return the value of a field; numbers within the constraint. Throw ApiError (400) for another type or a number out of
/// range. An integer may be written 4, 4.0 or 4e0.
std::int64_t to_integer(const std::string& field, const Json& value, const Constraint& range);
double to_number(const std::string& field, const Json& value, const Constraint& range);
std::string to_text(const std::string& field, const Json& value);

/// Parses a request's body. Throws ApiError (400) unless it is a JSON object, without keys given twice, and of bounded
/// depth and number of values: what a body costs to read is at most proportional to its length.
Json parse_body(std::string_view body);

/// The fields of one object. Each function names a field that is known, and returns nothing if the field is absent or
/// null. All throw ApiError (400). Names must be literals: they are kept for suggestions.
class RequestFields {
 public:
  /// `where` is the object's place in the body, "" or such as "messages[2]". The object must outlive the reader. Throws
  /// if it is none.
  explicit RequestFields(const Json& object, std::string where = "");

  /// Returns the name of a field for messages, such as "messages[2].role".
  std::string path(std::string_view name) const;

  const Json* find(std::string_view name);
  const Json* find_array(std::string_view name);
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::int64_t> integer(std::string_view name, const Constraint& range);
  std::optional<double> number(std::string_view name, const Constraint& range);
  std::optional<std::string> text(std::string_view name);

  /// Names fields that may have any value.
  void ignore(std::initializer_list<std::string_view> names);

  /// Refuse a field with this message: in any case; if it is given.
  [[noreturn]] void refuse(std::string_view name, std::string_view message) const;
  void refuse_given(std::initializer_list<std::string_view> names, std::string_view message);

  /// Refuses a field that no other function has named, with the nearest known name.
  void refuse_unknown() const;

 private:
  const Json* object_;
  std::string where_;
  std::vector<std::string_view> known_;
};

}  // namespace kiln
