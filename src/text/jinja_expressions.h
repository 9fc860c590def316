// Reads the expressions of a Jinja template.
#pragma once

#include "text/jinja_lexer.h"
#include "text/jinja_rendering.h"
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::jinja {

/// Reads expressions by recursive descent; each becomes a function that calls those of its parts. Throws JinjaError
/// where a token does not fit.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::span<const JinjaToken> tokens) : rest_(tokens) {}

  /// Reads an expression.
  Expression expression();

  /// Reads an expression; several with commas make a list.
  Expression tuple();

  /// Reads an expression without "if": what a loop goes over.
  Expression disjunction();

 protected:
  using Kind = JinjaToken::Kind;

  const JinjaToken& next() const { return rest_.front(); }
  const JinjaToken& after_next() const { return rest_[rest_.size() > 1 ? 1 : 0]; }
  const JinjaToken& take();
  bool is_next(Kind kind, std::string_view text) const { return next().kind == kind && next().text == text; }
  bool accept(Kind kind, std::string_view text);
  bool accept_name(std::string_view text) { return accept(Kind::name, text); }
  bool accept_sign(std::string_view text) { return accept(Kind::sign, text); }
  void expect_sign(std::string_view text);
  std::string expect_name();

  /// Throws JinjaError about the next token.
  [[noreturn]] void fail(std::string_view what) const;

  /// Fails where expressions or statements are too deep within one another.
  class Nested {
   public:
    explicit Nested(ExpressionParser& parser);
    ~Nested() { --depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    int& depth_;
  };

 private:
  struct Parameters;

  // From the loosest to the tightest.
  Expression conjunction();
  Expression negation();
  Expression comparison();
  Expression addition();
  Expression concatenation();
  Expression multiplication();
  Expression signed_value();
  Expression primary();

  Expression name(const std::string& name);
  Expression object();
  std::vector<Expression> listed(std::string_view end);
  Parameters parameters();
  Expression with_items(Expression value);  // .name, .name(...), [key], [begin:end]
  Expression subscript(Expression value);
  Expression with_filters(Expression value);  // | filter(...), is test(...)

  /// Takes one of these signs; returns "" if none is next.
  std::string accept_one(std::initializer_list<std::string_view> signs);

  std::span<const JinjaToken> rest_;
  int depth_ = 0;
};

}  // namespace kiln::jinja
