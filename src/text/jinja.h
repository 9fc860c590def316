// Renders the Jinja templates of chat models, as far as they use it.
#pragma once

#include "kiln/core/json.h"

#include "text/jinja_lexer.h"
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace kiln {

namespace jinja {
class Rendering;
}

/// raise_exception: the template refuses what it is to render.
struct JinjaRefusal : JinjaError {
  using JinjaError::JinjaError;
};

/// A template, read once and rendered often. Knows what chat templates use: for, if, set, macro, break, continue and
/// generation, expressions with the usual filters, tests and methods, and the functions namespace, range and
/// raise_exception. As transformers does, it takes white space around tags away (see jinja_tokens) and escapes nothing.
/// Numbers have no fractions. See https://jinja.palletsprojects.com/en/stable/templates/.
class JinjaTemplate {
 public:
  /// Throws JinjaError where the source is no Jinja, or uses a statement that is not known here.
  explicit JinjaTemplate(std::string_view source);

  /// Returns the text for the variables of an object. Throws JinjaError for what Jinja would refuse, for a part that is
  /// not known here, and for a template that works without end; throws JinjaRefusal if the template itself refuses.
  std::string render(const Json& variables) const;

 private:
  std::function<void(jinja::Rendering&)> body_;
};

}  // namespace kiln
