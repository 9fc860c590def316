// Derives JSON reading and writing, range checks, JSON Schema and a reference from one list of a struct's fields.
//
//   struct OptimizerConfig {
//     double learning_rate = 1e-3;
//     template <class V>
//     void visit(V& v) {  // the only list of fields: name, value, help on one line, optional constraint
//       v("learning_rate", learning_rate, "peak, after warm-up", positive());
//     }
//   };
//
// A field is a bool, int, int64, uint64, double, string, list of strings, CountOrAll, enumeration, optional int64,
// double, string or Duration (null in JSON), a struct with a visit, or a list (std::vector) of such structs.
// names_of(E) gives an enumeration's names, in the order of its values.
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

/// The limits of a field's values beyond its type. A required list or string must be given and must not be empty.
/// Schema and reference say so; the owner's validation checks it, since not every use of a struct needs every field.
struct Constraint {
  std::optional<double> minimum = std::nullopt;
  std::optional<double> maximum = std::nullopt;
  bool minimum_excluded = false;
  bool maximum_excluded = false;
  bool required = false;
  bool automatic = false;  // a CountOrAll also takes "auto"
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

/// Returns the range in words, "more than 0 and at most 1"; empty if the constraint has none.
std::string range_text(const Constraint& constraint);

/// Returns the name of an enumeration's value, as configs spell it.
template <class E>
std::string_view name_of(E value) {
  return names_of(value)[static_cast<std::size_t>(value)];
}

/// Type-erased access to an enumeration: value i is called names[i].
struct Choice {
  void* value;
  std::span<const std::string_view> names;
  std::size_t (*get)(const void* value);
  void (*set)(void* value, std::size_t index);
};

struct Field;
using Fields = std::vector<Field>;

/// Type-erased access to a list of structs.
struct StructList {
  void* list;
  std::size_t (*size)(const void* list);
  Fields (*at)(void* list, std::size_t index);
  Fields (*append)(void* list);  // adds a struct with its defaults and returns its fields
  void (*erase)(void* list, std::size_t first, std::size_t last);
};

/// Points to a field's value, by type. Fields is a nested struct.
using Slot = std::variant<bool*, int*, std::int64_t*, std::uint64_t*, double*, std::string*, std::vector<std::string>*,
                          CountOrAll*, std::optional<std::int64_t>*, std::optional<double>*,
                          std::optional<std::string>*, std::optional<Duration>*, Choice, Fields, StructList>;

struct Field {
  std::string_view name;
  std::string_view help;
  Constraint constraint;
  Slot slot;
};

/// Lists the fields of `object`, with pointers into it, by calling its `visit`.
template <class S>
Fields describe(S& object);

/// Reads a JSON object into the fields that it names. Fields that it does not name, or whose value has a problem, keep
/// their values. Adds a problem for each unknown key (with the nearest known one), wrong type and value out of range.
/// Ignores the key "$schema" at the root (pointer "").
void read_fields(const Json& json, const Fields& fields, Problems& problems, const std::string& pointer = "");

/// Returns the fields' values as a JSON object, in their order. read_fields reads it back.
Json write_fields(const Fields& fields);

/// Adds a problem for each value out of range.
void check_ranges(const Fields& fields, Problems& problems, const std::string& pointer);

/// Returns a JSON Schema (draft 2020-12) of what read_fields accepts. The current values become the defaults.
Json schema_of(const Fields& fields, std::string_view title);

/// Returns a Markdown reference: a table of key, type, default and meaning for the plain fields, then a headed table
/// for each section.
std::string reference_of(const Fields& fields);

template <class S>
void from_json(const Json& json, S& object, Problems& problems, const std::string& pointer = "") {
  read_fields(json, describe(object), problems, pointer);
}

template <class S>
auto to_json(S object) {  // auto: Json is an incomplete type here
  return write_fields(describe(object));
}

/// Adds a problem for each value of `object` out of range.
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

/// The visitor that collects the fields.
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
      return struct_slot(value);
    }
  }

  template <class S>
  static Slot struct_slot(S& value) {
    return describe(value);
  }

  template <class S>
  static Slot struct_slot(std::vector<S>& value) {
    using List = std::vector<S>;
    return StructList{&value, [](const void* list) { return static_cast<const List*>(list)->size(); },
                      [](void* list, std::size_t index) { return describe((*static_cast<List*>(list))[index]); },
                      [](void* list) { return describe(static_cast<List*>(list)->emplace_back()); },
                      [](void* list, std::size_t first, std::size_t last) {
                        List& all = *static_cast<List*>(list);
                        all.erase(all.begin() + static_cast<std::ptrdiff_t>(first),
                                  all.begin() + static_cast<std::ptrdiff_t>(last));
                      }};
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
