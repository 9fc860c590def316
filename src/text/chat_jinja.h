// The built-in chat templates in Jinja.
#pragma once

#include "kiln/text/chat_template.h"

#include <string>
#include <string_view>

namespace kiln {

/// Returns a template's Jinja. `begin` and `end` spell plain's tokens before the first message ("" for none) and after
/// each assistant message; the other templates have their own.
std::string chat_jinja(ChatTemplateKind kind, std::string_view begin, std::string_view end);

}  // namespace kiln
