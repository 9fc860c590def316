// Writes the templates in the part of Jinja that all its readers share.
#include "text/chat_jinja.h"

namespace kiln {
namespace {

// No line ends outside of strings: then trim_blocks and lstrip_blocks change nothing.
constexpr std::string_view kChatmlJinja =
    R"({% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }})"
    R"({{ (message['content'] | trim) + '<|im_end|>\n' }}{% endfor %})"
    R"({% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";

constexpr std::string_view kLlama3Jinja =
    R"({{ '<|begin_of_text|>' }}{% for message in messages %})"
    R"({{ '<|start_header_id|>' + ('ipython' if message['role'] == 'tool' else message['role']) }})"
    R"({{ '<|end_header_id|>\n\n' + (message['content'] | trim) + '<|eot_id|>' }}{% endfor %})"
    R"({% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})";

// Between the first two come the begin and `{{ `, between the latter two the end.
constexpr std::string_view kPlainMessages =
    R"({% for message in messages %}{% set content = message['content'] | trim %})"
    R"({% if not loop.first %}{{ '\n\n' }}{% endif %})"
    R"({% if message['role'] == 'system' %}{{ content }}{% else %})"
    R"({% if message['role'] == 'user' %}{{ 'User:' }}{% elif message['role'] == 'tool' %}{{ 'Tool:' }})"
    R"({% else %}{{ 'Assistant:' }}{% endif %}{% if content %}{{ ' ' + content }}{% endif %})"
    R"({% if message['role'] == 'assistant' %}{{ )";
constexpr std::string_view kPlainOpening =
    R"( }}{% endif %}{% endif %}{% endfor %})"
    R"({% if add_generation_prompt %}{% if messages | length > 0 %}{{ '\n\n' }}{% endif %}{{ 'Assistant:' }}{% endif %})";

}  // namespace

std::string jinja_literal(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) {
    switch (c) {
      case '\'':
        literal += R"(\')";
        break;
      case '\\':
        literal += R"(\\)";
        break;
      case '\n':
        literal += R"(\n)";
        break;
      case '\r':
        literal += R"(\r)";
        break;
      case '\t':
        literal += R"(\t)";
        break;
      default:
        literal += c;
    }
  }
  return literal + "'";
}

std::string chat_jinja(ChatTemplateKind kind, std::string_view begin, std::string_view end) {
  switch (kind) {
    case ChatTemplateKind::chatml:
      return std::string(kChatmlJinja);
    case ChatTemplateKind::llama3:
      return std::string(kLlama3Jinja);
    case ChatTemplateKind::plain:
    case ChatTemplateKind::own:
      break;
  }
  std::string jinja;
  if (!begin.empty()) jinja = "{{ " + jinja_literal(begin) + " }}";
  return jinja.append(kPlainMessages).append(jinja_literal(end)).append(kPlainOpening);
}

std::optional<ChatTemplateKind> built_in_jinja(std::string_view jinja) {
  if (jinja == kChatmlJinja) return ChatTemplateKind::chatml;
  if (jinja == kLlama3Jinja) return ChatTemplateKind::llama3;
  const std::size_t at = jinja.find(kPlainMessages);
  const bool is_plain = at != std::string_view::npos && jinja.substr(0, at).find('%') == std::string_view::npos &&
                        jinja.substr(at + kPlainMessages.size()).ends_with(kPlainOpening);
  return is_plain ? std::optional(ChatTemplateKind::plain) : std::nullopt;
}

}  // namespace kiln
