// Cuts a Jinja template into its text and the tokens of its tags.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace kiln {

/// A template that Jinja refuses, or that needs a part of Jinja that is not read here.
struct JinjaError : std::runtime_error {
  using runtime_error::runtime_error;
};

struct JinjaToken {
  enum class Kind {
    text,         // between tags
    print,        // {{
    block,        // {%
    close,        // }} or %}
    name,         // a name or a keyword
    string,       // a string literal, without quotes and escapes
    number,       // a literal without a fraction
    sign,         // an operator, a bracket or a comma
    end_of_file,  // the last token
  };
  Kind kind;
  std::string text;
};

/// Returns the tokens of a template. White space around tags goes as transformers has it removed: the line end after a
/// block (trim_blocks), the blanks before a block that begins a line (lstrip_blocks), and all on the side of a "-".
/// Throws JinjaError where a tag does not end or holds what is no token.
/// See https://jinja.palletsprojects.com/en/stable/templates/.
std::vector<JinjaToken> jinja_tokens(std::string_view source);

}  // namespace kiln
