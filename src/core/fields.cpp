// Reads and writes a list of fields as JSON.
#include "kiln/core/fields.h"

#include "kiln/core/nearest.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace kiln {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang before 17 does not deduce aggregates

/// Describes a value of the wrong type, for the beginning of a message: "4.5 is a number", "null was found".
std::string found(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return brief_json(json) + " is a boolean";
    case Json::value_t::string:
      return brief_json(json) + " is a string";
    case Json::value_t::array:
      return "an array was found";
    case Json::value_t::object:
      return "an object was found";
    case Json::value_t::null:
      return "null was found";
    default:
      return brief_json(json) + " is a number";
  }
}

bool in_range(double value, const Constraint& c) {
  const bool above = !c.minimum || (c.minimum_excluded ? value > *c.minimum : value >= *c.minimum);
  const bool below = !c.maximum || (c.maximum_excluded ? value < *c.maximum : value <= *c.maximum);
  return above && below;
}

/// Returns the path of the field with this name, "model.init.std", or nothing.
std::string path_of(std::string_view name, const Fields& fields) {
  for (const Field& field : fields) {
    if (field.name == name) return std::string(name);
    if (const Fields* inner = std::get_if<Fields>(&field.slot)) {
      const std::string path = path_of(name, *inner);
      if (!path.empty()) return fmt::format("{}.{}", field.name, path);
    }
  }
  return "";
}

/// The root's fields, for suggestions, and the problems found.
struct Reading {
  const Fields& root;
  Problems& problems;
};

void read_object(const Json& json, const Fields& fields, const Reading& reading, const std::string& pointer);

/// Reads one value; stores nothing if it has a problem.
class ValueReader {
 public:
  ValueReader(const Json& json, const Field& field, const Reading& reading, const std::string& pointer)
      : json_(json), field_(field), reading_(reading), problems_(reading.problems), pointer_(pointer) {}

  void operator()(bool* value) const {
    if (json_.is_boolean()) return store(value, json_.get<bool>());
    expect("true or false");
  }
  void operator()(int* value) const { integer(value); }
  void operator()(std::int64_t* value) const { integer(value); }
  void operator()(std::uint64_t* value) const { integer(value); }

  void operator()(double* value) const {
    if (!json_.is_number()) return expect("a number");
    if (respects_range(json_.get<double>())) store(value, json_.get<double>());
  }

  void operator()(Duration* value) const {
    std::optional<Duration> duration;
    if (json_.is_number()) duration = Duration{json_.get<double>()};
    if (json_.is_string()) duration = parse_duration(json_.get<std::string>());
    if (!duration) return expect(fmt::format("a duration such as {}, a number of seconds", kDurationExamples));
    if (respects_range(duration->seconds)) store(value, *duration);
  }

  void operator()(std::string* value) const {
    if (json_.is_string()) return store(value, json_.get<std::string>());
    expect("a string");
  }

  void operator()(std::vector<std::string>* value) const {
    if (json_.is_string()) return store(value, {json_.get<std::string>()});
    if (!json_.is_array()) return expect("a string or an array of strings");
    std::vector<std::string> strings;
    for (std::size_t i = 0; i < json_.size(); ++i) {
      std::string text;
      const std::string pointer = child_pointer(pointer_, std::to_string(i));
      ValueReader(json_[i], field_, reading_, pointer)(&text);
      strings.push_back(std::move(text));
    }
    if (!problems_.has(pointer_)) *value = std::move(strings);
  }

  void operator()(CountOrAll* value) const {
    const bool automatic = field_.constraint.automatic;
    if (json_ == "all") return store(value, {.all = true});
    if (automatic && json_ == "auto") return store(value, {.automatic = true});
    if (!json_.is_number()) return expect(automatic ? "an integer, \"all\" or \"auto\"" : "an integer or \"all\"");
    std::int64_t count = value->count;
    integer(&count);
    if (!problems_.has(pointer_)) *value = {.count = count};
  }

  template <class T>
  void operator()(std::optional<T>* value) const {
    if (json_.is_null()) return value->reset();
    T inner{};
    (*this)(&inner);
    if (!problems_.has(pointer_)) *value = std::move(inner);
  }

  void operator()(const Choice& choice) const {
    if (!json_.is_string()) return expect(fmt::format("one of {}", fmt::join(choice.names, ", ")));
    const std::string name = json_.get<std::string>();
    const auto at = std::ranges::find(choice.names, name);
    if (at != choice.names.end()) return choice.set(choice.value, static_cast<std::size_t>(at - choice.names.begin()));
    const std::string_view near = nearest(name, choice.names);
    problems_.add(pointer_, "{} is not one of {}{}", brief_json(json_), fmt::join(choice.names, ", "),
                  near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
  }

  void operator()(const Fields& fields) const { read_object(json_, fields, reading_, pointer_); }

  void operator()(const StructList& structs) const {
    if (!json_.is_array()) return expect("an array of objects");
    const std::size_t before = structs.size(structs.list);
    for (std::size_t i = 0; i < json_.size(); ++i) {
      read_object(json_[i], structs.append(structs.list), reading_, child_pointer(pointer_, std::to_string(i)));
    }
    const bool is_read = !problems_.has(pointer_);
    structs.erase(structs.list, is_read ? 0 : before, is_read ? before : before + json_.size());
  }

 private:
  template <class T>
  static void store(T* value, T read) {
    *value = std::move(read);
  }

  void expect(std::string_view what) const {
    const bool nullable = std::visit(
        Overloaded{[]<class T>(std::optional<T>*) { return true; }, [](const auto&) { return false; }}, field_.slot);
    problems_.add(pointer_, "{}; {}{} is expected", found(json_), what, nullable ? " or null" : "");
  }

  bool respects_range(double number) const {
    if (in_range(number, field_.constraint)) return true;
    problems_.add(pointer_, "{} is out of range; {} is expected", brief_json(json_), range_text(field_.constraint));
    return false;
  }

  /// Reads a whole number, which may be written 4, 4.0 or 4e0.
  template <class T>
  void integer(T* value) const {
    if (!json_.is_number()) return expect("an integer");
    const double number = json_.get<double>();
    if (std::trunc(number) != number) {
      return problems_.add(pointer_, "{} is not a whole number; an integer is expected", brief_json(json_));
    }
    if (!respects_range(number)) return;
    using Limits = std::numeric_limits<T>;
    bool fits = false;
    if (json_.is_number_unsigned()) {
      fits = std::in_range<T>(json_.get<std::uint64_t>());
    } else if (json_.is_number_integer()) {
      fits = std::in_range<T>(json_.get<std::int64_t>());
    } else {  // the limit is 2^k - 1, which a double may round up to 2^k
      fits = number >= static_cast<double>(Limits::min()) && number < std::ldexp(1.0, Limits::digits);
    }
    if (fits) return store(value, json_.get<T>());
    const std::string limit =
        number < 0 ? fmt::format("at least {}", Limits::min()) : fmt::format("at most {}", Limits::max());
    problems_.add(pointer_, "{} is out of range; {} is expected", brief_json(json_), limit);
  }

  const Json& json_;
  const Field& field_;
  const Reading& reading_;
  Problems& problems_;
  const std::string& pointer_;
};

void report_unknown(const std::string& key, const Fields& fields, const Reading& reading, const std::string& pointer) {
  std::vector<std::string_view> names;
  for (const Field& field : fields) names.push_back(field.name);
  std::string advice;
  if (const std::string_view near = nearest(key, names); !near.empty()) {
    advice = fmt::format("did you mean \"{}\"?", near);
  } else if (const std::string path = path_of(key, reading.root); !path.empty()) {
    advice = fmt::format("did you mean \"{}\"?", path);
  } else {
    advice = fmt::format("the keys here are {}", fmt::join(names, ", "));
  }
  reading.problems.add(child_pointer(pointer, key), "unknown key; {}", advice);
}

void read_object(const Json& json, const Fields& fields, const Reading& reading, const std::string& pointer) {
  if (!json.is_object()) return reading.problems.add(pointer, "{}; an object is expected", found(json));
  for (const auto& [key, value] : json.items()) {
    if (pointer.empty() && key == "$schema") continue;
    const auto field = std::ranges::find(fields, key, &Field::name);
    if (field == fields.end()) {
      report_unknown(key, fields, reading, pointer);
    } else {
      std::visit(ValueReader(value, *field, reading, child_pointer(pointer, key)), field->slot);
    }
  }
}

}  // namespace

std::string range_text(const Constraint& c) {
  std::string text;
  if (c.minimum) text = fmt::format("{} {}", c.minimum_excluded ? "more than" : "at least", *c.minimum);
  if (c.minimum && c.maximum) text += " and ";
  if (c.maximum) text += fmt::format("{} {}", c.maximum_excluded ? "less than" : "at most", *c.maximum);
  return text;
}

void read_fields(const Json& json, const Fields& fields, Problems& problems, const std::string& pointer) {
  read_object(json, fields, {fields, problems}, pointer);
}

Json write_fields(const Fields& fields) {
  Json json = Json::object();
  for (const Field& field : fields) {
    json[std::string(field.name)] =
        std::visit(Overloaded{
                       []<class T>(std::optional<T>* value) { return *value ? Json(**value) : Json(nullptr); },
                       [](std::optional<Duration>* value) { return *value ? Json((*value)->seconds) : Json(nullptr); },
                       [](const CountOrAll* value) {
                         if (value->automatic) return Json("auto");
                         return value->all ? Json("all") : Json(value->count);
                       },
                       [](const Choice& choice) { return Json(choice.names[choice.get(choice.value)]); },
                       [](const Fields& inner) { return write_fields(inner); },
                       [](const StructList& structs) {
                         Json list = Json::array();
                         for (std::size_t i = 0; i < structs.size(structs.list); ++i)
                           list.push_back(write_fields(structs.at(structs.list, i)));
                         return list;
                       },
                       [](const auto* value) { return Json(*value); },
                   },
                   field.slot);
  }
  return json;
}

void check_ranges(const Fields& fields, Problems& problems, const std::string& pointer) {
  read_fields(write_fields(fields), fields, problems, pointer);
}

}  // namespace kiln
