// One list of a struct's fields serves its JSON in and out, ranges, path-precise errors, JSON Schema and reference.
//
//   struct OptimizerConfig {
//     double learning_rate = 1e-3;
//     template <class V>
//     void visit(V& v) {  // the only list of fields; the help is one line, the constraint optional
//       v("learning_rate", learning_rate, "peak, after warm-up", positive());
//     }
//   };
//
// A field is a bool, int, int64, uint64, double, string, list of strings, CountOrAll, an enumeration (its names, in the
// order of its values, found as names_of(E)), an optional of the plain ones or of a Duration (null in JSON), or a
// struct with a visit.
#pragma once

#include "kiln/core/duration.h"
#include "kiln/core/json.h"
#include "kiln/core/problems.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace kiln {

/// Holds a count, or the word "all". A field whose constraint is `automatic` also takes the word "auto".
struct CountOrAll {
  std::int64_t count = 1;
  bool all = false;
  bool automatic = false;
};

/// What a field keeps to beyond its type. A list or string that is required is to be given, and not empty: schema and
/// reference say so, and the owner's validation checks it, since not every use of a struct needs every field.
struct Constraint {
  std::optional<double> minimum = std::nullopt;
  std::optional<double> maximum = std::nullopt;
  bool minimum_excluded = false;
  bool maximum_excluded = false;
  bool required = false;
  bool automatic = false;  // of a CountOrAll: it may be "auto"
};

constexpr Constraint at_least(double minimum) { return {.minimum = minimum}; }
constexpr Constraint non_negative() { return at_least(0); }
constexpr Constraint positive() { return {.minimum = 0, .minimum_excluded = true}; }
constexpr Constraint positive_up_to(double maximum) {
  return {.minimum = 0, .maximum = maximum, .minimum_excluded = true};
}
constexpr Constraint between(double minimum, double maximum) { return {.minimum = minimum, .maximum = maximum}; }
constexpr Constraint from_to_below(double minimum, double limit) {
  return {.minimum = minimum, .maximum = limit, .maximum_excluded = true};
}
constexpr Constraint required() { return {.required = true}; }
constexpr Constraint at_least_or_automatic(double minimum) { return {.minimum = minimum, .automatic = true}; }

/// The range in words, "more than 0 and at most 1"; empty where there is none.
std::string range_text(const Constraint& constraint);

/// What a config calls a value of an enumeration that has names.
template <class E>
std::string_view name_of(E value) {
  return names_of(value)[static_cast<std::size_t>(value)];
}

/// An enumeration behind its names: value i is called names[i].
struct Choice {
  void* value;
  std::span<const std::string_view> names;
  std::size_t (*get)(const void* value);
  void (*set)(void* value, std::size_t index);
};

struct Field;
using Fields = std::vector<Field>;

/// Where a field's value lies, by type; Fields is a struct within the struct.
using Slot = std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*, std::string*, std::vector<std::string>*,
                          CountOrAll*, std::optional<std::int64_t>*, std::optional<double>*,
                          std::optional<std::string>*, std::optional<Duration>*, Choice, Fields>;

struct Field {
  std::string_view name;
  std::string_view help;
  Constraint constraint;
  Slot slot;
};

/// The fields of `object`, which they point into. `visit` lists them; all else is ordinary code over the list.
template <class S>
Fields describe(S& object);

/// Reads a JSON object into the fields that it names; the others keep their values, and so do those with a problem.
/// Adds a problem for each unknown key (with the nearest known one), wrong type and value out of range. At the root
/// (pointer "") the key "$schema" is passed over.
void read_fields(const Json& json, const Fields& fields, Problems& problems, const std::string& pointer = "");

/// The fields' values as a JSON object in their order, which read_fields reads back.
Json write_fields(const Fields& fields);

/// Adds a problem for each value out of range.
void check_ranges(const Fields& fields, Problems& problems, const std::string& pointer);

/// A JSON Schema (draft 2020-12) of what read_fields accepts; the values at hand are given as defaults.
Json schema_of(const Fields& fields, std::string_view title);

/// A Markdown reference: a table of key, type, default and meaning for the plain fields, then a headed one a section.
std::string reference_of(const Fields& fields);

template <class S>
void from_json(const Json& json, S& object, Problems& problems, const std::string& pointer = "") {
  read_fields(json, describe(object), problems, pointer);
}

template <class S>
auto to_json(S object) {  // auto: Json is known by name alone here
  return write_fields(describe(object));
}

/// The same check for a struct that did not come from JSON.
template <class S>
void check_ranges(S object, Problems& problems, const std::string& pointer) {
  check_ranges(describe(object), problems, pointer);
}

template <class S>
auto json_schema(std::string_view title) {
  S defaults;
  return schema_of(describe(defaults), title);
}

template <class S>
std::string markdown_reference() {
  S defaults;
  return reference_of(describe(defaults));
}

/// The visitor that makes the list.
class FieldLister {
 public:
  template <class T>
  void operator()(std::string_view name, T& value, std::string_view help, Constraint constraint = {}) {
    fields_.push_back({name, help, constraint, slot_of(value)});
  }
  Fields take() { return std::move(fields_); }

 private:
  template <class T>
  static Slot slot_of(T& value) {
    if constexpr (std::is_enum_v<T>) {
      return Choice{&value, names_of(value),
                    [](const void* at) { return static_cast<std::size_t>(*static_cast<const T*>(at)); },
                    [](void* at, std::size_t index) { *static_cast<T*>(at) = static_cast<T>(index); }};
    } else if constexpr (std::is_constructible_v<Slot, T*>) {
      return &value;
    } else {
      return describe(value);
    }
  }

  Fields fields_;
};

template <class S>
Fields describe(S& object) {
  FieldLister lister;
  object.visit(lister);
  return lister.take();
}

}  // namespace kiln
