// Reads a template's statements by recursive descent; what is read becomes functions that call one another.
#include "text/jinja.h"

#include "kiln/core/format.h"

#include <fmt/format.h>

#include "text/jinja_expressions.h"
#include <algorithm>
#include <memory>
#include <utility>

namespace kiln {
namespace jinja {
namespace {

class TemplateParser : ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Statement read() {
    Statement body = statements({});
    if (next().kind != Kind::end_of_file) fail("belongs to no block");
    return body;
  }

 private:
  void expect_close() {
    if (next().kind != Kind::close) fail("stands where the tag is expected to end");
    take();
  }

  bool block_is_next(std::initializer_list<std::string_view> names) const {
    return next().kind == Kind::block && after_next().kind == Kind::name &&
           std::ranges::find(names, after_next().text) != names.end();
  }

  /// Reads up to a block with one of these names, which stays, or to the end.
  Statement statements(std::initializer_list<std::string_view> ends) {
    const Nested nested(*this);
    std::vector<Statement> all;
    while (next().kind != Kind::end_of_file && !block_is_next(ends)) all.push_back(statement());
    return [all = std::move(all)](Rendering& rendering) {
      for (const Statement& one : all) {
        if (rendering.flow != Rendering::Flow::on) return;
        rendering.work();
        one(rendering);
      }
    };
  }

  void expect_end(std::string_view name) {
    if (!block_is_next({name})) fail(fmt::format("stands where {{% {} %}} is expected", name));
    take();
    take();
    expect_close();
  }

  Statement statement() {
    if (next().kind == Kind::text) {
      return [text = take().text](Rendering& rendering) { rendering.write(text); };
    }
    if (take().kind == Kind::print) {
      Expression value = expression();
      expect_close();
      return [value = std::move(value)](Rendering& rendering) { rendering.write(as_text(value(rendering))); };
    }
    if (accept_name("if")) return if_statement();
    if (accept_name("for")) return for_statement();
    if (accept_name("set")) return set_statement();
    if (accept_name("macro")) return macro_statement();
    for (const auto& [name, flow] : {std::pair("break", Rendering::Flow::leave), {"continue", Rendering::Flow::next}}) {
      if (!accept_name(name)) continue;
      expect_close();
      return [flow = flow](Rendering& rendering) { rendering.flow = flow; };
    }
    if (!accept_name("generation")) fail("begins a block that is not understood");
    expect_close();
    Statement body = statements({"endgeneration"});
    expect_end("endgeneration");
    return [body = std::move(body)](Rendering& rendering) { rendering.with_scope([&] { body(rendering); }); };
  }

  Statement if_statement() {
    const Nested nested(*this);
    Expression condition = expression();
    expect_close();
    Statement then = statements({"elif", "else", "endif"}), otherwise = [](Rendering&) {};
    if (block_is_next({"elif"})) {
      take();
      take();
      otherwise = if_statement();
    } else {
      if (block_is_next({"else"})) {
        expect_end("else");
        otherwise = statements({"endif"});
      }
      expect_end("endif");
    }
    return [condition = std::move(condition), then = std::move(then), otherwise = std::move(otherwise)](
               Rendering& rendering) { (is_true(condition(rendering)) ? then : otherwise)(rendering); };
  }

  std::vector<std::string> targets() {
    const bool has_bracket = accept_sign("(");
    std::vector<std::string> names{expect_name()};
    while (accept_sign(",")) names.push_back(expect_name());
    if (has_bracket) expect_sign(")");
    return names;
  }

  static void assign(const std::vector<std::string>& names, const Json& value, Rendering& rendering) {
    if (names.size() == 1) {
      rendering.set(names[0], value);
      return;
    }
    if (!value.is_array() || value.size() != names.size())
      throw JinjaError(counted(std::ssize(names), "name") + " for another number of values");
    for (std::size_t i = 0; i < names.size(); ++i) rendering.set(names[i], value[i]);
  }

  Statement for_statement() {
    std::vector<std::string> names = targets();
    if (!accept_name("in")) fail("stands where in is expected");
    Expression values = disjunction(), filter;
    if (accept_name("if")) filter = expression();
    expect_close();
    Statement body = statements({"else", "endfor"}), otherwise = [](Rendering&) {};
    if (block_is_next({"else"})) {
      expect_end("else");
      otherwise = statements({"endfor"});
    }
    expect_end("endfor");
    return [names = std::move(names), values = std::move(values), filter = std::move(filter), body = std::move(body),
            otherwise = std::move(otherwise)](Rendering& rendering) {
      rendering.with_scope([&] {
        std::vector<Json> kept;
        for (Json& value : elements(values(rendering))) {
          rendering.work();
          assign(names, value, rendering);
          if (!filter || is_true(filter(rendering))) kept.push_back(std::move(value));
        }
        if (kept.empty()) otherwise(rendering);
        loop(kept, names, body, rendering);
      });
    };
  }

  static void loop(const std::vector<Json>& values, const std::vector<std::string>& names, const Statement& body,
                   Rendering& rendering) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t left = values.size() - i;
      Json state{{"index", i + 1},  {"index0", i},       {"revindex", left},       {"revindex0", left - 1},
                 {"first", i == 0}, {"last", left == 1}, {"length", values.size()}};
      if (i > 0) state["previtem"] = values[i - 1];
      if (left > 1) state["nextitem"] = values[i + 1];
      rendering.with_scope([&] {
        rendering.set("loop", std::move(state));
        assign(names, values[i], rendering);
        body(rendering);
      });
      const bool leaves = std::exchange(rendering.flow, Rendering::Flow::on) == Rendering::Flow::leave;
      if (leaves) return;
    }
  }

  Statement set_statement() {
    std::vector<std::string> names = targets();
    const std::string field = accept_sign(".") ? expect_name() : "";
    Expression value;
    if (accept_sign("=")) {
      value = tuple();
      expect_close();
    } else {
      expect_close();
      Statement body = statements({"endset"});
      expect_end("endset");
      value = [body = std::move(body)](Rendering& rendering) { return Json(rendering.captured(body)); };
    }
    return [names = std::move(names), field, value = std::move(value)](Rendering& rendering) {
      if (field.empty()) {
        assign(names, value(rendering), rendering);
      } else {
        rendering.set_item(names[0], field, value(rendering));
      }
    };
  }

  Statement macro_statement() {
    auto macro = std::make_shared<Macro>();
    const std::string name = expect_name();
    expect_sign("(");
    while (!accept_sign(")")) {
      auto& [parameter, otherwise] = macro->parameters.emplace_back(expect_name(), Expression());
      if (accept_sign("=")) otherwise = expression();
      if (!is_next(Kind::sign, ")")) expect_sign(",");
    }
    expect_close();
    macro->body = statements({"endmacro"});
    expect_end("endmacro");
    return [name, macro = std::shared_ptr<const Macro>(std::move(macro))](Rendering& rendering) {
      rendering.define(name, macro);
    };
  }
};

}  // namespace
}  // namespace jinja

JinjaTemplate::JinjaTemplate(std::string_view source) {
  const std::vector<JinjaToken> tokens = jinja_tokens(source);
  body_ = jinja::TemplateParser(tokens).read();
}

std::string JinjaTemplate::render(const Json& variables) const {
  jinja::Rendering rendering(variables);
  body_(rendering);
  return rendering.take_text();
}

}  // namespace kiln
