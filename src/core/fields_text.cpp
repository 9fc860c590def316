// Writes the JSON Schema and the Markdown reference of a list of fields.
#include "kiln/core/fields.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <cmath>

namespace kiln {
namespace {

/// Returns a limit as JSON: 1 rather than 1.0.
Json number(double value) { return std::trunc(value) == value ? Json(static_cast<std::int64_t>(value)) : Json(value); }

void add_range(Json& schema, const Constraint& c) {
  if (c.minimum) schema[c.minimum_excluded ? "exclusiveMinimum" : "minimum"] = number(*c.minimum);
  if (c.maximum) schema[c.maximum_excluded ? "exclusiveMaximum" : "maximum"] = number(*c.maximum);
}

/// Returns what `use` returns for the fields of a new struct of a list.
template <class F>
auto with_new_struct(const StructList& structs, F use) {
  auto result = use(structs.append(structs.list));
  const std::size_t last = structs.size(structs.list) - 1;
  structs.erase(structs.list, last, last + 1);
  return result;
}

Json object_schema(const Fields& fields);
bool has_required(const Fields& fields);

bool is_required(const Field& field) {
  const Fields* inner = std::get_if<Fields>(&field.slot);
  return inner != nullptr ? has_required(*inner) : field.constraint.required;
}

bool has_required(const Fields& fields) {
  for (const Field& field : fields) {
    if (is_required(field)) return true;
  }
  return false;
}

/// Writes the schema of one value, by the type of its slot.
struct SchemaWriter {
  const Constraint& constraint;

  Json operator()(const bool*) const { return {{"type", "boolean"}}; }
  Json operator()(const int*) const { return ranged("integer"); }
  Json operator()(const std::int64_t*) const { return ranged("integer"); }
  Json operator()(const std::uint64_t*) const {
    Json schema = ranged("integer");
    if (!constraint.minimum) schema["minimum"] = 0;
    return schema;
  }
  Json operator()(const double*) const { return ranged("number"); }
  Json operator()(const std::string*) const {
    Json schema{{"type", "string"}};
    if (constraint.required) schema["minLength"] = 1;
    return schema;
  }
  Json operator()(const std::vector<std::string>*) const {
    Json schema{{"type", {"array", "string"}}, {"items", {{"type", "string"}}}};
    if (constraint.required) schema["minItems"] = schema["minLength"] = 1;
    return schema;
  }
  Json operator()(const CountOrAll*) const {
    Json choices = Json::array({ranged("integer"), {{"const", "all"}}});
    if (constraint.automatic) choices.push_back({{"const", "auto"}});
    return {{"anyOf", std::move(choices)}};
  }
  Json operator()(const Duration*) const {
    Json schema = ranged("number");
    schema["type"] = {"number", "string"};
    schema["pattern"] = kDurationPattern;
    return schema;
  }
  template <class T>
  Json operator()(const std::optional<T>*) const {
    Json schema = (*this)(static_cast<const T*>(nullptr));
    if (!schema["type"].is_array()) schema["type"] = Json::array({schema["type"]});
    schema["type"].push_back("null");
    return schema;
  }
  Json operator()(const Choice& choice) const { return {{"enum", choice.names}}; }
  Json operator()(const Fields& fields) const { return object_schema(fields); }
  Json operator()(const StructList& structs) const {
    return {{"type", "array"}, {"items", with_new_struct(structs, object_schema)}};
  }

 private:
  Json ranged(const char* type) const {
    Json schema{{"type", type}};
    add_range(schema, constraint);
    return schema;
  }
};

Json object_schema(const Fields& fields) {
  const Json defaults = write_fields(fields);
  Json properties = Json::object();
  Json required = Json::array();
  for (const Field& field : fields) {
    Json schema = std::visit(SchemaWriter{field.constraint}, field.slot);
    const bool section = std::holds_alternative<Fields>(field.slot);
    if (is_required(field)) {
      required.push_back(field.name);
    } else if (!section) {
      schema["default"] = defaults[std::string(field.name)];
    }
    schema["description"] = field.help;
    properties[std::string(field.name)] = std::move(schema);
  }
  Json schema{{"type", "object"}, {"properties", std::move(properties)}, {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

/// Describes what a value may be, for readers: "integer, at least 1", "relu, gelu, ...".
struct TypeNamer {
  const Constraint& constraint;

  std::string operator()(const bool*) const { return "true or false"; }
  std::string operator()(const int*) const { return ranged("integer"); }
  std::string operator()(const std::int64_t*) const { return ranged("integer"); }
  std::string operator()(const std::uint64_t*) const { return ranged("integer"); }
  std::string operator()(const double*) const { return ranged("number"); }
  std::string operator()(const std::string*) const { return "string"; }
  std::string operator()(const std::vector<std::string>*) const { return "string, or an array of strings"; }
  std::string operator()(const CountOrAll*) const {
    return ranged("integer") + (constraint.automatic ? R"(, "all" or "auto")" : R"(, or "all")");
  }
  std::string operator()(const Duration*) const { return ranged(R"(duration as in "1h30m" or seconds)"); }
  std::string operator()(const Choice& choice) const { return fmt::format("`{}`", fmt::join(choice.names, "`, `")); }
  std::string operator()(const Fields&) const { return "object"; }
  std::string operator()(const StructList&) const { return "array of objects"; }
  template <class T>
  std::string operator()(const std::optional<T>*) const {
    return (*this)(static_cast<const T*>(nullptr)) + ", or null";
  }

 private:
  std::string ranged(std::string_view type) const {
    const std::string range = range_text(constraint);
    return range.empty() ? std::string(type) : fmt::format("{}, {}", type, range);
  }
};

/// Escapes bars, which end a table's cell even within code.
std::string cell(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

/// Returns rows for the plain fields and, with `with_sections`, for those of nested sections as "section.key". The
/// fields of a list's structs follow it as "list[].key".
std::string rows(const Fields& fields, const std::string& prefix, bool with_sections) {
  const Json defaults = write_fields(fields);
  std::string text;
  for (const Field& field : fields) {
    if (const Fields* inner = std::get_if<Fields>(&field.slot)) {
      if (with_sections) text += rows(*inner, fmt::format("{}{}.", prefix, field.name), true);
      continue;
    }
    const std::string value =
        is_required(field) ? "required" : fmt::format("`{}`", defaults[std::string(field.name)].dump());
    text += fmt::format("| `{}{}` | {} | {} | {} |\n", prefix, field.name,
                        std::visit(TypeNamer{field.constraint}, field.slot), cell(value), cell(field.help));
    if (const StructList* structs = std::get_if<StructList>(&field.slot)) {
      text += with_new_struct(
          *structs, [&](const Fields& inner) { return rows(inner, fmt::format("{}{}[].", prefix, field.name), true); });
    }
  }
  return text;
}

constexpr std::string_view kTableHead = "| Key | Value | Default | Meaning |\n|---|---|---|---|\n";

}  // namespace

Json schema_of(const Fields& fields, std::string_view title) {
  Json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}};
  schema.update(object_schema(fields));
  schema["properties"]["$schema"] = {{"type", "string"}, {"description", "of this schema, for editors"}};
  return schema;
}

std::string reference_of(const Fields& fields) {
  std::string text = fmt::format("{}{}", kTableHead, rows(fields, "", false));
  for (const Field& field : fields) {
    const Fields* section = std::get_if<Fields>(&field.slot);
    if (section == nullptr) continue;
    text += fmt::format("\n### {}: {}\n\n{}{}", field.name, field.help, kTableHead, rows(*section, "", true));
  }
  return text;
}

}  // namespace kiln
