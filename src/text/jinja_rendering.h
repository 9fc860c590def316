// The state of a template that is being rendered: its variables, its text so far, and how much it has worked.
#pragma once

#include "text/jinja_values.h"
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::jinja {

class Rendering;

using Expression = std::function<Json(Rendering&)>;
using Statement = std::function<void(Rendering&)>;

/// {% macro NAME(PARAMETER, PARAMETER=DEFAULT) %}
struct Macro {
  std::vector<std::pair<std::string, Expression>> parameters;  // the expression is empty where there is no default
  Statement body;
};

class Rendering {
 public:
  /// Allows work in proportion to the variables' texts.
  explicit Rendering(const Json& variables);

  /// Returns a variable; undefined if no scope has it.
  Json variable(const std::string& name) const;

  /// Sets a variable of the innermost scope.
  void set(const std::string& name, Json value) { scopes_.back().variables[name] = std::move(value); }

  /// Sets an item of a namespace, in the scope that has it.
  void set_item(const std::string& name, const std::string& key, Json value);

  void define(const std::string& name, std::shared_ptr<const Macro> macro) {
    scopes_.back().macros[name] = std::move(macro);
  }
  std::shared_ptr<const Macro> macro(const std::string& name) const;

  /// Returns the text that a macro writes. It sees the outermost variables and its arguments.
  std::string call(const Macro& macro, const Arguments& arguments);

  /// Returns the text that a statement writes, without writing it.
  std::string captured(const Statement& statement);

  /// Calls `body` with a scope of its own around it.
  void with_scope(const std::function<void()>& body);

  void write(std::string_view text);
  std::string take_text() { return std::move(text_); }

  /// Counts a piece of work. Throws JinjaError when there is too much.
  void work(std::size_t amount = 1);

  /// Returns a value that was just made, and counts its length as work.
  Json made(Json value);

  /// What a loop does next: its body ends at once if it is not `on`.
  enum class Flow { on, next, leave } flow = Flow::on;

 private:
  struct Scope {
    Json variables = Json::object();
    std::map<std::string, std::shared_ptr<const Macro>> macros;
  };

  std::vector<Scope> scopes_;
  std::string text_;
  std::size_t work_left_;
  int depth_ = 0;  // of calls
};

}  // namespace kiln::jinja
