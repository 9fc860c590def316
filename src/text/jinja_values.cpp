// Values are JSON; strings are indexed by characters.
#include "text/jinja_values.h"

#include "kiln/core/shown_text.h"
#include "kiln/core/utf8.h"
#include "kiln/text/chat_template.h"

#include <fmt/format.h>

#include "text/jinja_lexer.h"
#include <algorithm>
#include <cctype>
#include <cmath>

namespace kiln::jinja {
namespace {

constexpr std::size_t kMostElements = 1 << 15;  // of a list that an operator makes
constexpr std::size_t kMostGrowth = 1 << 22;    // in bytes, of a text by one filter

[[noreturn]] void fail_unknown(std::string_view what, std::string_view name) {
  throw JinjaError(fmt::format("{} \"{}\" is not understood", what, printable(name)));
}

[[noreturn]] void fail_type(std::string_view what, const Json& value) {
  throw JinjaError(
      fmt::format("{} of a value that is {}", what, is_undefined(value) ? "undefined" : value.type_name()));
}

const std::string& string_of(const Json& value, std::string_view what) {
  if (!value.is_string()) fail_type(what, value);
  return value.get_ref<const std::string&>();
}

std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = std::max<std::size_t>(utf8_length(text, at), 1);
    all.emplace_back(text.substr(at, length));
    at += length;
  }
  return all;
}

std::string joined(const std::vector<Json>& parts, std::string_view between) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += between;
    text += as_text(parts[i]);
    if (text.size() > kMostGrowth) throw JinjaError("a string that is too long");
  }
  return text;
}

/// Changes ASCII letters. Throws for others, whose other case is not known here.
std::string with_case(const std::string& text, int (*change)(int)) {
  std::string changed;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80) throw JinjaError("the case of a letter beyond ASCII");
    changed += static_cast<char>(change(byte));
  }
  return changed;
}

std::string capitalized(const std::string& text) {
  std::string changed = with_case(text, std::tolower);
  if (!changed.empty()) changed[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(changed[0])));
  return changed;
}

std::string replaced(const std::string& text, const std::string& old, const std::string& by) {
  if (old.empty()) throw JinjaError("replace of an empty string");
  std::string result;
  std::size_t at = 0;
  for (std::size_t found = text.find(old); found != std::string::npos; found = text.find(old, at)) {
    result.append(text, at, found - at).append(by);
    at = found + old.size();
    if (result.size() > text.size() + kMostGrowth) throw JinjaError("a string that is too long");
  }
  return result.append(text, at);
}

/// Python's strip, lstrip and rstrip: removes these characters, or white space, from the chosen ends.
std::string stripped(const std::string& text, const Json& characters_given, bool at_begin, bool at_end) {
  std::string_view rest = text;
  if (is_undefined(characters_given) || characters_given.is_null()) {
    const std::string_view inner = trim_content(text);
    if (inner.empty()) return "";
    if (at_end) rest = rest.substr(0, static_cast<std::size_t>(inner.data() + inner.size() - text.data()));
    if (at_begin) rest.remove_prefix(static_cast<std::size_t>(inner.data() - text.data()));
    return std::string(rest);
  }
  const std::vector<std::string> of = characters(string_of(characters_given, "strip"));
  const auto matches = [&](bool begin) {
    return std::ranges::find_if(of,
                                [&](const std::string& c) { return begin ? rest.starts_with(c) : rest.ends_with(c); });
  };
  for (auto c = of.begin(); at_begin && (c = matches(true)) != of.end();) rest.remove_prefix(c->size());
  for (auto c = of.begin(); at_end && (c = matches(false)) != of.end();) rest.remove_suffix(c->size());
  return std::string(rest);
}

Json split(const std::string& text, const Json& separator, const Json& most) {
  Json parts = Json::array();
  if (is_undefined(separator) || separator.is_null()) {
    std::string_view rest = trim_content(text);
    while (!rest.empty()) {
      std::size_t end = 0;
      while (end < rest.size() &&
             !trim_content(rest.substr(end, std::max<std::size_t>(utf8_length(rest, end), 1))).empty())
        end += std::max<std::size_t>(utf8_length(rest, end), 1);
      parts.push_back(std::string(rest.substr(0, end)));
      rest = trim_content(rest.substr(end));
    }
    return parts;
  }
  const std::string& by = string_of(separator, "split");
  if (by.empty()) throw JinjaError("split by an empty string");
  const auto limit = most.is_number_integer() ? most.get<std::int64_t>() : -1;
  std::size_t at = 0;
  for (std::size_t found = text.find(by); found != std::string::npos; found = text.find(by, at)) {
    if (limit >= 0 && std::ssize(parts) >= limit) break;
    parts.push_back(text.substr(at, found - at));
    at = found + by.size();
  }
  parts.push_back(text.substr(at));
  return parts;
}

bool has_affix(const std::string& text, const Json& affix, bool at_begin) {
  const auto has = [&](const Json& one) {
    const std::string& part = string_of(one, at_begin ? "startswith" : "endswith");
    return at_begin ? text.starts_with(part) : text.ends_with(part);
  };
  return affix.is_array() ? std::ranges::any_of(affix, has) : has(affix);
}

Json arithmetic(char sign, const Json& left, const Json& right) {
  if (left.is_number_integer() && right.is_number_integer() && sign != '/') {
    const auto a = left.get<std::int64_t>(), b = right.get<std::int64_t>();
    std::int64_t result = 0;
    const bool overflows = sign == '+'   ? __builtin_add_overflow(a, b, &result)
                           : sign == '-' ? __builtin_sub_overflow(a, b, &result)
                           : sign == '*' ? __builtin_mul_overflow(a, b, &result)
                                         : true;
    if (!overflows) return result;
    const bool divides = (sign == '%' || sign == 'f') && b != 0 && b != -1;
    if (!divides) throw JinjaError("a number that is too large, or a division by 0");
    const std::int64_t rest = ((a % b) + b) % b;  // of b's sign, as in Python
    return sign == '%' ? rest : (a - rest) / b;
  }
  if (!left.is_number() || !right.is_number()) fail_type(fmt::format("{}", sign), left.is_number() ? right : left);
  throw JinjaError("a number with a fraction");
}

Json sum(const Json& left, const Json& right) {
  if (left.is_string() && right.is_string()) {
    return left.get<std::string>() + right.get_ref<const std::string&>();
  }
  if (!left.is_array() || !right.is_array()) return arithmetic('+', left, right);
  if (left.size() + right.size() > kMostElements) throw JinjaError("a list that is too long");
  Json list = left;
  list.insert(list.end(), right.begin(), right.end());
  return list;
}

bool contains(const Json& whole, const Json& part) {
  if (whole.is_string()) return whole.get_ref<const std::string&>().find(string_of(part, "in")) != std::string::npos;
  if (whole.is_object()) return part.is_string() && whole.contains(part.get_ref<const std::string&>());
  if (is_undefined(whole)) return false;
  if (!whole.is_array()) fail_type("in", whole);
  return std::ranges::find(whole, part) != whole.end();
}

bool is_less(const Json& left, const Json& right) {
  const bool comparable = (left.is_number() && right.is_number()) || (left.is_string() && right.is_string());
  if (!comparable) fail_type("<", left.is_number() || left.is_string() ? right : left);
  return left < right;
}

bool is_equal(const Json& left, const Json& right) {
  return is_undefined(left) || is_undefined(right) ? is_undefined(left) && is_undefined(right) : left == right;
}

/// selectattr and rejectattr.
Json selected(const Json& value, const Arguments& arguments, bool keeps) {
  Json list = Json::array();
  const Json test = arguments.get(1, "");
  Arguments rest;
  if (arguments.by_place.size() > 2) rest.by_place.assign(arguments.by_place.begin() + 2, arguments.by_place.end());
  for (const Json& element : elements(value)) {
    const Json attribute = item(element, arguments.get(0, ""));
    const bool holds = is_undefined(test) ? is_true(attribute) : apply_test(string_of(test, "a test"), attribute, rest);
    if (holds == keeps) list.push_back(element);
  }
  return list;
}

}  // namespace

Json Arguments::get(std::size_t place, std::string_view name) const {
  if (place < by_place.size()) return by_place[place];
  const auto named = std::ranges::find(by_name, name, &std::pair<std::string, Json>::first);
  return named == by_name.end() ? undefined() : named->second;
}

bool is_true(const Json& value) {
  if (is_undefined(value) || value.is_null()) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value != 0;
  return value.is_string() ? !value.get_ref<const std::string&>().empty() : !value.empty();
}

std::string as_text(const Json& value) {
  if (is_undefined(value)) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "None";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  if (value.is_number_integer()) return fmt::format("{}", value.get<std::int64_t>());
  throw JinjaError("it writes a list or an object");
}

Json operate(std::string_view sign, const Json& left, const Json& right) {
  if (sign == "+") return sum(left, right);
  if (sign == "~") return sum(as_text(left), as_text(right));
  if (sign == "==") return is_equal(left, right);
  if (sign == "!=") return !is_equal(left, right);
  if (sign == "<") return is_less(left, right);
  if (sign == ">") return is_less(right, left);
  if (sign == "<=") return !is_less(right, left);
  if (sign == ">=") return !is_less(left, right);
  if (sign == "in") return contains(right, left);
  return arithmetic(sign == "//" ? 'f' : sign.front(), left, right);
}

Json item(const Json& value, const Json& key) {
  if (is_undefined(value)) throw JinjaError(fmt::format("the item {} of what is undefined", as_text(key)));
  if (value.is_object()) {
    return key.is_string() && value.contains(key.get_ref<const std::string&>())
               ? value[key.get_ref<const std::string&>()]
               : undefined();
  }
  if (!key.is_number_integer() || (!value.is_array() && !value.is_string())) return undefined();
  const std::vector<Json> all = elements(value);
  const auto at = key.get<std::int64_t>();
  const std::int64_t place = at < 0 ? at + std::ssize(all) : at;
  return place >= 0 && place < std::ssize(all) ? all[static_cast<std::size_t>(place)] : undefined();
}

Json slice(const Json& value, const Json& begin, const Json& end, const Json& step) {
  const std::vector<Json> all = elements(value);
  const std::int64_t size = std::ssize(all), by = step.is_number_integer() ? step.get<std::int64_t>() : 1;
  if (by != 1 && by != -1) throw JinjaError("a slice with a step");
  const auto bound = [&](const Json& given, std::int64_t otherwise) {
    if (!given.is_number_integer()) return otherwise;
    const auto at = given.get<std::int64_t>();
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, by < 0 ? -1 : 0, by < 0 ? size - 1 : size);
  };
  std::vector<Json> taken;
  const std::int64_t last = bound(end, by < 0 ? -1 : size);
  for (std::int64_t at = bound(begin, by < 0 ? size - 1 : 0); by < 0 ? at > last : at < last; at += by)
    taken.push_back(all[static_cast<std::size_t>(at)]);
  return value.is_string() ? Json(joined(taken, "")) : Json(taken);
}

std::vector<Json> elements(const Json& value) {
  std::vector<Json> all;
  if (value.is_string()) {
    for (std::string& character : characters(value.get_ref<const std::string&>()))
      all.emplace_back(std::move(character));
  } else if (value.is_object()) {
    for (const auto& entry : value.items()) all.emplace_back(entry.key());
  } else if (value.is_array()) {
    all.assign(value.begin(), value.end());
  } else if (!is_undefined(value)) {
    fail_type("a loop", value);
  }
  return all;
}

Json apply_filter(std::string_view name, const Json& value, const Arguments& arguments) {
  const auto text = [&] { return as_text(value); };
  if (name == "trim") return stripped(text(), arguments.get(0, "chars"), true, true);
  if (name == "length" || name == "count") return elements(value).size();
  if (name == "upper") return with_case(text(), std::toupper);
  if (name == "lower") return with_case(text(), std::tolower);
  if (name == "capitalize") return capitalized(text());
  if (name == "string" || name == "safe") return text();
  if (name == "list") return elements(value);
  if (name == "replace") {
    return replaced(text(), string_of(arguments.get(0, "old"), name), string_of(arguments.get(1, "new"), name));
  }
  if (name == "join") {
    const Json between = arguments.get(0, "d");
    return joined(elements(value), is_undefined(between) ? "" : as_text(between));
  }
  if (name == "first") return item(elements(value), 0);
  if (name == "last") return item(elements(value), -1);
  if (name == "selectattr" || name == "rejectattr") return selected(value, arguments, name == "selectattr");
  if (name == "default" || name == "d") {
    const bool is_missing = is_undefined(value) || (is_true(arguments.get(1, "boolean")) && !is_true(value));
    const Json otherwise = arguments.get(0, "default_value");
    return !is_missing ? value : is_undefined(otherwise) ? Json("") : otherwise;
  }
  fail_unknown("the filter", name);
}

bool apply_test(std::string_view name, const Json& value, const Arguments& arguments) {
  if (name == "defined") return !is_undefined(value);
  if (name == "undefined") return is_undefined(value);
  if (name == "none") return value.is_null();
  if (name == "true") return value.is_boolean() && value.get<bool>();
  if (name == "false") return value.is_boolean() && !value.get<bool>();
  if (name == "boolean") return value.is_boolean();
  if (name == "string") return value.is_string();
  if (name == "number") return value.is_number() || value.is_boolean();
  if (name == "mapping") return value.is_object();
  if (name == "iterable" || name == "sequence")
    return value.is_string() || value.is_array() || value.is_object() || is_undefined(value);
  if (name == "odd" || name == "even") return operate("%", value, 2) == (name == "odd" ? 1 : 0);
  if (name == "in") return is_true(operate("in", value, arguments.get(0, "")));
  if (name == "equalto" || name == "eq" || name == "==") return is_equal(value, arguments.get(0, ""));
  if (name == "ne" || name == "!=") return !is_equal(value, arguments.get(0, ""));
  fail_unknown("the test", name);
}

Json call_method(std::string_view name, const Json& value, const Arguments& arguments) {
  if (value.is_object()) {
    if (name == "get") {
      const Json found = item(value, arguments.get(0, "key")), otherwise = arguments.get(1, "default");
      return !is_undefined(found) ? found : is_undefined(otherwise) ? Json(nullptr) : otherwise;
    }
    if (name == "keys") return elements(value);
    Json list = Json::array();
    for (const auto& [key, one] : value.items()) list.push_back(name == "items" ? Json::array({key, one}) : one);
    if (name == "items" || name == "values") return list;
  } else if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const Json first = arguments.get(0, ""), second = arguments.get(1, "maxsplit");
    if (name == "strip") return stripped(text, first, true, true);
    if (name == "lstrip") return stripped(text, first, true, false);
    if (name == "rstrip") return stripped(text, first, false, true);
    if (name == "split") return split(text, first, second);
    if (name == "startswith" || name == "endswith") return has_affix(text, first, name == "startswith");
    if (name == "upper") return with_case(text, std::toupper);
    if (name == "lower") return with_case(text, std::tolower);
    if (name == "capitalize") return capitalized(text);
    if (name == "replace") return replaced(text, string_of(first, name), string_of(second, name));
    if (name == "join") return joined(elements(first), text);
  }
  fail_unknown("the method", name);
}

}  // namespace kiln::jinja
