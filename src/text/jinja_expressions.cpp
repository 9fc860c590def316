// Follows the precedence of Jinja's own parser.
#include "text/jinja_expressions.h"

#include "kiln/core/shown_text.h"

#include <fmt/format.h>

#include "text/jinja.h"
#include <algorithm>
#include <charconv>
#include <utility>

namespace kiln::jinja {
namespace {

constexpr int kMostDepth = 100;  // of expressions and statements within one another

Expression constant(Json value) {
  return [value = std::move(value)](Rendering&) { return value; };
}

Expression negated(Expression value) {
  return [value = std::move(value)](Rendering& rendering) { return Json(!is_true(value(rendering))); };
}

/// Returns the first value if its truth is `decides`, else the second: "or" for true, "and" for false.
Expression decided_by_first(bool decides, Expression first, Expression second) {
  return [decides, first = std::move(first), second = std::move(second)](Rendering& rendering) {
    Json value = first(rendering);
    return is_true(value) == decides ? value : second(rendering);
  };
}

Expression operation(std::string sign, Expression left, Expression right) {
  return [sign = std::move(sign), left = std::move(left), right = std::move(right)](Rendering& rendering) {
    return rendering.made(operate(sign, left(rendering), right(rendering)));
  };
}

Expression list_of(std::vector<Expression> all) {
  return [all = std::move(all)](Rendering& rendering) {
    Json list = Json::array();
    for (const Expression& one : all) list.push_back(one(rendering));
    return list;
  };
}

Expression item_of(Expression value, Expression key) {
  return [value = std::move(value), key = std::move(key)](Rendering& rendering) {
    return item(value(rendering), key(rendering));
  };
}

Json range(const Arguments& arguments, Rendering& rendering) {
  const Json first = arguments.get(0, "start"), second = arguments.get(1, "stop");
  const bool has_begin = !is_undefined(second);
  const Json& last = has_begin ? second : first;
  if (!last.is_number_integer() || !first.is_number_integer() || arguments.by_place.size() > 2)
    throw JinjaError("range takes one or two whole numbers");
  Json list = Json::array();
  for (auto i = has_begin ? first.get<std::int64_t>() : 0; i < last.get<std::int64_t>(); ++i) {
    rendering.work();
    list.push_back(i);
  }
  return list;
}

Json call_function(const std::string& name, const Arguments& arguments, Rendering& rendering) {
  if (const auto macro = rendering.macro(name)) return rendering.call(*macro, arguments);
  if (name == "raise_exception") throw JinjaRefusal(as_text(arguments.get(0, "message")));
  if (name == "range") return range(arguments, rendering);
  if (name != "namespace") throw JinjaError(fmt::format("the function \"{}\" is not understood", printable(name)));
  Json fields = Json::object();
  for (const auto& [field, value] : arguments.by_name) fields[field] = value;
  return fields;
}

}  // namespace

/// The arguments of a call, before they have values.
struct ExpressionParser::Parameters {
  std::vector<Expression> by_place;
  std::vector<std::pair<std::string, Expression>> by_name;

  Arguments values(Rendering& rendering) const {
    Arguments values;
    for (const Expression& one : by_place) values.by_place.push_back(one(rendering));
    for (const auto& [name, one] : by_name) values.by_name.emplace_back(name, one(rendering));
    return values;
  }
};

ExpressionParser::Nested::Nested(ExpressionParser& parser) : depth_(parser.depth_) {
  if (depth_ == kMostDepth) throw JinjaError("its parts are too deep within one another");
  ++depth_;
}

const JinjaToken& ExpressionParser::take() {
  const JinjaToken& token = rest_.front();
  if (token.kind != Kind::end_of_file) rest_ = rest_.subspan(1);
  return token;
}

bool ExpressionParser::accept(Kind kind, std::string_view text) {
  if (!is_next(kind, text)) return false;
  take();
  return true;
}

void ExpressionParser::expect_sign(std::string_view text) {
  if (!accept_sign(text)) fail(fmt::format("stands where {} is expected", text));
}

std::string ExpressionParser::expect_name() {
  if (next().kind != Kind::name) fail("stands where a name is expected");
  return take().text;
}

void ExpressionParser::fail(std::string_view what) const {
  const JinjaToken& token = next();
  const std::string shown = token.kind == Kind::end_of_file ? "the end"
                            : token.kind == Kind::close     ? "the end of a tag"
                            : token.kind == Kind::string    ? fmt::format("\"{}\"", printable(token.text))
                                                            : printable(token.text);
  throw JinjaError(fmt::format("{} {}", shown, what));
}

std::string ExpressionParser::accept_one(std::initializer_list<std::string_view> signs) {
  return next().kind == Kind::sign && std::ranges::find(signs, next().text) != signs.end() ? take().text : "";
}

Expression ExpressionParser::tuple() {
  Expression first = expression();
  if (!is_next(Kind::sign, ",")) return first;
  std::vector<Expression> all{std::move(first)};
  while (accept_sign(",")) all.push_back(expression());
  return list_of(std::move(all));
}

Expression ExpressionParser::expression() {
  const Nested nested(*this);
  Expression value = disjunction();
  while (accept_name("if")) {
    Expression condition = disjunction();
    Expression otherwise = accept_name("else") ? expression() : constant(undefined());
    value = [value = std::move(value), condition = std::move(condition), otherwise = std::move(otherwise)](
                Rendering& rendering) { return (is_true(condition(rendering)) ? value : otherwise)(rendering); };
  }
  return value;
}

Expression ExpressionParser::disjunction() {
  Expression left = conjunction();
  while (accept_name("or")) {
    left = decided_by_first(true, std::move(left), conjunction());
  }
  return left;
}

Expression ExpressionParser::conjunction() {
  Expression left = negation();
  while (accept_name("and")) {
    left = decided_by_first(false, std::move(left), negation());
  }
  return left;
}

Expression ExpressionParser::negation() {
  const Nested nested(*this);
  return accept_name("not") ? negated(negation()) : comparison();
}

Expression ExpressionParser::comparison() {
  Expression left = addition();
  for (;;) {
    const bool is_negated = is_next(Kind::name, "not") && after_next().text == "in";
    if (is_negated) take();
    const std::string sign = accept_name("in") ? "in" : accept_one({"==", "!=", "<", "<=", ">", ">="});
    if (sign.empty()) return left;
    left = operation(sign, std::move(left), addition());
    if (is_negated) left = negated(std::move(left));
  }
}

Expression ExpressionParser::addition() {
  Expression left = concatenation();
  for (std::string sign; !(sign = accept_one({"+", "-"})).empty();)
    left = operation(sign, std::move(left), concatenation());
  return left;
}

Expression ExpressionParser::concatenation() {
  Expression left = multiplication();
  while (accept_sign("~")) left = operation("~", std::move(left), multiplication());
  return left;
}

Expression ExpressionParser::multiplication() {
  Expression left = signed_value();
  for (std::string sign; !(sign = accept_one({"*", "/", "//", "%"})).empty();)
    left = operation(sign, std::move(left), signed_value());
  return left;
}

Expression ExpressionParser::signed_value() {
  if (!accept_sign("-")) return with_filters(with_items(primary()));
  return with_filters(operation("-", constant(0), with_items(primary())));
}

Expression ExpressionParser::primary() {
  const JinjaToken token = next();
  if (token.kind == Kind::string) {
    std::string text;
    while (next().kind == Kind::string) text += take().text;
    return constant(std::move(text));
  }
  if (token.kind == Kind::number) {
    take();
    std::int64_t number = 0;
    const char* end = token.text.data() + token.text.size();
    if (std::from_chars(token.text.data(), end, number).ec != std::errc()) throw JinjaError("a number is too large");
    return constant(number);
  }
  if (token.kind == Kind::name) return name(take().text);
  if (accept_sign("(")) {
    Expression inner = is_next(Kind::sign, ")") ? list_of({}) : tuple();
    expect_sign(")");
    return inner;
  }
  if (accept_sign("[")) return list_of(listed("]"));
  if (accept_sign("{")) return object();
  fail("stands where a value is expected");
}

Expression ExpressionParser::name(const std::string& name) {
  if (name == "true" || name == "True") return constant(true);
  if (name == "false" || name == "False") return constant(false);
  if (name == "none" || name == "None") return constant(nullptr);
  if (!accept_sign("(")) return [name](Rendering& rendering) { return rendering.variable(name); };
  return [name, given = parameters()](Rendering& rendering) {
    return call_function(name, given.values(rendering), rendering);
  };
}

std::vector<Expression> ExpressionParser::listed(std::string_view end) {
  std::vector<Expression> all;
  while (!accept_sign(end)) {
    all.push_back(expression());
    if (!is_next(Kind::sign, end)) expect_sign(",");
  }
  return all;
}

Expression ExpressionParser::object() {
  std::vector<std::pair<Expression, Expression>> fields;
  while (!accept_sign("}")) {
    Expression key = expression();
    expect_sign(":");
    fields.emplace_back(std::move(key), expression());
    if (!is_next(Kind::sign, "}")) expect_sign(",");
  }
  return [fields = std::move(fields)](Rendering& rendering) {
    Json object = Json::object();
    for (const auto& [key, value] : fields) object[as_text(key(rendering))] = value(rendering);
    return object;
  };
}

ExpressionParser::Parameters ExpressionParser::parameters() {
  Parameters parameters;
  while (!accept_sign(")")) {
    if (next().kind == Kind::name && after_next().kind == Kind::sign && after_next().text == "=") {
      const std::string name = take().text;
      take();
      parameters.by_name.emplace_back(name, expression());
    } else {
      parameters.by_place.push_back(expression());
    }
    if (!is_next(Kind::sign, ")")) expect_sign(",");
  }
  return parameters;
}

Expression ExpressionParser::with_items(Expression value) {
  for (;;) {
    if (accept_sign("[")) {
      value = subscript(std::move(value));
    } else if (!accept_sign(".")) {
      return value;
    } else if (const std::string name = expect_name(); !accept_sign("(")) {
      value = item_of(std::move(value), constant(name));
    } else {
      value = [name, value = std::move(value), given = parameters()](Rendering& rendering) {
        return rendering.made(call_method(name, value(rendering), given.values(rendering)));
      };
    }
  }
}

Expression ExpressionParser::subscript(Expression value) {
  std::vector<Expression> parts;
  const auto read_part = [&] {
    const bool is_left_out = is_next(Kind::sign, ":") || is_next(Kind::sign, "]");
    parts.push_back(is_left_out ? constant(undefined()) : expression());
  };
  read_part();
  while (parts.size() < 3 && accept_sign(":")) read_part();
  expect_sign("]");
  if (parts.size() == 1) return item_of(std::move(value), std::move(parts[0]));
  parts.resize(3, constant(undefined()));
  return [value = std::move(value), parts = std::move(parts)](Rendering& rendering) {
    return rendering.made(slice(value(rendering), parts[0](rendering), parts[1](rendering), parts[2](rendering)));
  };
}

Expression ExpressionParser::with_filters(Expression value) {
  for (;;) {
    const bool is_filter = accept_sign("|");
    if (!is_filter && !accept_name("is")) return value;
    const bool is_negated = !is_filter && accept_name("not");
    const std::string name = expect_name();
    value = [is_filter, name, value = std::move(value),
             given = accept_sign("(") ? parameters() : Parameters()](Rendering& rendering) {
      const Arguments arguments = given.values(rendering);
      return is_filter ? rendering.made(apply_filter(name, value(rendering), arguments))
                       : Json(apply_test(name, value(rendering), arguments));
    };
    if (is_negated) value = negated(std::move(value));
  }
}

}  // namespace kiln::jinja
