// The built-in chat templates in Jinja.
#pragma once

#include "kiln/text/chat_template.h"

#include <optional>
#include <string>
#include <string_view>

namespace kiln {

/// Returns the Jinja of a built-in template. `begin` and `end` spell plain's tokens before the first message ("" for
/// none) and after each assistant message; the other templates have their own.
std::string chat_jinja(ChatTemplateKind kind, std::string_view begin, std::string_view end);

/// Returns a string literal of Jinja.
std::string jinja_literal(std::string_view text);

/// Returns the template whose Jinja this text is; nullopt if chat_jinja writes no such text.
std::optional<ChatTemplateKind> built_in_jinja(std::string_view jinja);

}  // namespace kiln
