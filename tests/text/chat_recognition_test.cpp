// Which foreign templates are recognised as built-in ones, and what is said of the others.
#include "kiln/text/chat_template.h"

#include <gmock/gmock.h>

#include "chats.h"

namespace kiln {
namespace {

using ::testing::Field;
using ::testing::HasSubstr;

const std::string kLoop = "{% for message in messages %}", kEnd = "{% endfor %}";
const std::string kBody = "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}";
const std::string kOpening = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const std::string kChatml = kLoop + kBody + kEnd + kOpening;
const std::string kLlama3Body =
    "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>'";
const std::string kLlama3Opening =
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";
const ModelTokens kLlama3Tokens{"<|begin_of_text|>", "<|eot_id|>"};

auto is(ChatTemplateKind kind, bool writes_tools = true) {
  return AllOf(Field(&ChatRecognition::kind, kind), Field(&ChatRecognition::writes_tools, writes_tools));
}

std::string obstacle(const std::string& jinja, const ModelTokens& tokens = {"<s>", "</s>"}) {
  const ChatRecognition recognised = recognise_chat_template(jinja, tokens);
  EXPECT_EQ(recognised.kind, std::nullopt) << jinja;
  return recognised.obstacle;
}

TEST(ChatRecognition, KilnsOwnTemplates) {
  const auto tokenizer = testing::chat_bytes();
  for (const ChatTemplateKind kind : testing::kAllTemplates) {
    const std::string jinja = testing::chat_template(kind, *tokenizer).jinja();
    EXPECT_THAT(recognise_chat_template(jinja), is(kind));
    EXPECT_THAT(recognise_chat_template(jinja + "\n"), is(kind));
    EXPECT_EQ(recognise_chat_template(jinja + " ").kind, std::nullopt);
  }
}

TEST(ChatRecognition, TemplatesThatWriteTheSame) {
  const std::vector<std::string> templates{
      kChatml,
      "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}" + kChatml,
      "{#- comment -#}\n{%- for message in messages %}\n"
      "    {{- \"<|im_start|>\" ~ message.role ~ '\\n' }}\n"
      "    {%- generation %}{{- message.content | trim + '<|im_end|>\\n' -}}\n"
      "{% endgeneration %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
      "    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n",
      "{% for turn in messages %}{{ '<|im_start|>' + turn.role + '\\n' + turn['content'].strip() }}"
      "{{ '<|im_end|>\\n' }}{% endfor %}" +
          kOpening,
      "{% if tools %}{{ tools | tojson }}{% endif %}" + kChatml,
      "{% macro turn(role, content) %}<|im_start|>{{ role }}\n{{ content }}<|im_end|>\n{% endmacro %}" + kLoop +
          "{{ turn(message.role, content=message.content) }}" + kEnd + kOpening,
      kLoop + "{% if message.content is string %}" + kBody + "{% else %}{{ message.content[0].text }}{% endif %}" +
          kEnd + kOpening};
  for (const std::string& jinja : templates) {
    EXPECT_THAT(recognise_chat_template(jinja), is(ChatTemplateKind::chatml)) << jinja;
  }
}

TEST(ChatRecognition, TemplatesThatMarkWhatTheModelWrites) {  // as TRL's for training do
  EXPECT_THAT(recognise_chat_template(
                  "{%- for message in messages %}\n"
                  "    {%- if loop.index0 == 0 %}{{- bos_token }}{%- endif %}\n"
                  "    {%- if message['role'] == 'assistant' %}\n"
                  "        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n"
                  "        {%- generation %}{{- message['content'] | trim + '<|eot_id|>' }}{%- endgeneration %}\n"
                  "    {%- else %}\n"
                  "        {{- " +
                      kLlama3Body + " }}\n    {%- endif %}\n{%- endfor %}\n" + kLlama3Opening,
                  kLlama3Tokens),
              is(ChatTemplateKind::llama3, false));
}

TEST(ChatRecognition, Llama3WithAndWithoutItsWayWithTools) {
  const std::string begin = "{% if loop.first %}{{ bos_token }}{% endif %}";
  const auto recognised = [](const std::string& jinja) { return recognise_chat_template(jinja, kLlama3Tokens); };
  EXPECT_THAT(recognised(kLoop + begin + "{{ " + kLlama3Body + " }}" + kEnd + kLlama3Opening),
              is(ChatTemplateKind::llama3, false));
  EXPECT_THAT(recognised(kLoop + begin +
                         "{% set message = {'role': 'ipython' if message.role == 'tool' else "
                         "message.role, 'content': message.content} %}{{ " +
                         kLlama3Body + " }}" + kEnd + kLlama3Opening),
              is(ChatTemplateKind::llama3));
  EXPECT_THAT(recognise_chat_template(kLoop + begin + "{{ " + kLlama3Body + " }}" + kEnd + kLlama3Opening),
              is(ChatTemplateKind::llama3, false))
      << "a folder that does not name its tokens";
  EXPECT_THAT(obstacle(kLoop + "{{ bos_token + " + kLlama3Body + " }}" + kEnd + kLlama3Opening, kLlama3Tokens),
              HasSubstr("where llama3 has"));
}

TEST(ChatRecognition, PlainWithTheModelsTokens) {
  const std::string plain =
      "{% for message in messages %}{{ '' if loop.first else '\\n\\n' }}"
      "{{ {'user': 'User:', 'assistant': 'Assistant:', 'tool': 'Tool:', 'system': ''}[message.role] }}"
      "{{ ' ' if message.content and message.role != 'system' }}{{ message.content }}"
      "{{ eos_token if message.role == 'assistant' }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '\\n\\nAssistant:' }}{% endif %}";
  EXPECT_THAT(recognise_chat_template(plain, {"<s>", "</s>"}), is(ChatTemplateKind::plain));
  EXPECT_THAT(recognise_chat_template("{{ bos_token }}" + plain, {"<s>", "</s>"}), is(ChatTemplateKind::plain));
  EXPECT_EQ(obstacle("{{ bos_token }}{{ bos_token }}" + plain).empty(), false);
}

TEST(ChatRecognition, TemplatesMayRefuseUnusualConversations) {
  const std::string alternates =
      "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Take turns!') }}{% endif %}";
  EXPECT_THAT(recognise_chat_template(kLoop + alternates + kBody + kEnd + kOpening), is(ChatTemplateKind::chatml));
  EXPECT_EQ(obstacle("{{ raise_exception('No!') }}" + kChatml), "it refuses a conversation: No!");
}

TEST(ChatRecognition, OfOtherTemplatesTheDifferenceIsNamed) {
  EXPECT_EQ(obstacle("{{ bos_token }}" + kLoop + "{{ '[INST]' + message['content'] + '[/INST]' }}" + kEnd + kOpening),
            "of user \"Hello\" it makes \"<s>[INST]Hello[/INST]\", where plain has \"<s>User: Hello\"");
  EXPECT_EQ(obstacle("{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe good.<|im_end|>\\n' }}"
                     "{% endif %}" +
                     kChatml),
            "of user \"Hello\" it makes \"<|im_start|>system\\nBe good.<|im_end|>\\n<|im_start|>user\\nH…\", where "
            "chatml has \"<|im_start|>user\\nHello<|im_end|>\\n\"");
  EXPECT_EQ(obstacle(kLoop + kBody + kEnd),
            "of user \"Hello\" and the opening of an answer it makes …\"o<|im_end|>\\n\", where chatml has "
            "\"o<|im_end|>\\n<|im_start|>assistant\\n\"");
  EXPECT_EQ(obstacle("{{ strftime_now('%Y') }}" + kChatml), "the function \"strftime_now\" is not understood");
  std::string literals;
  for (int i = 0; i < 600; ++i) literals += "{{ '" + std::to_string(i) + "' if missing }}";
  EXPECT_EQ(obstacle(literals + kChatml), "it has too many string literals to try each of them");
  EXPECT_EQ(obstacle("{% include 'chatml' %}"), "include begins a block that is not understood");
}

TEST(ChatRecognition, TemplatesThatWriteOtherText) {
  const std::string think =
      "{% if '</think>' in message.content and message.role == 'assistant' %}"
      "{{ '<|im_start|>assistant\\n' + message.content.split('</think>')[-1] + '<|im_end|>\\n' }}"
      "{% else %}" +
      kBody + "{% endif %}";
  const std::vector<std::string> templates{
      "",
      "{{",
      "{% for",
      "{{ '",
      "{{ '\\",
      "text",
      kLoop + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}" + kEnd + kOpening,
      "You are here." + kChatml,
      kLoop + "\n\n" + kBody + kEnd + kOpening,
      kChatml + "{{ eos_token }}",
      "{{ bos_token }}" + kChatml,
      kLoop + think + kEnd + kOpening,
      kLoop + "{% if message['role'] != 'system' %}" + kBody + "{% endif %}" + kEnd + kOpening,
      kLoop + "{% if message['content'] %}" + kBody + "{% endif %}" + kEnd + kOpening,
      kLoop + "{% if not loop.first %}" + kBody + "{% endif %}" + kEnd + kOpening,
      kLoop + "{% if loop.index < 20 %}" + kBody + "{% endif %}" + kEnd + kOpening,
      kLoop + "{% if message.content != 'secret' %}" + kBody + "{% endif %}" + kEnd + kOpening,
      kLoop + "{% if not message.content.startswith('/no_think') %}" + kBody + "{% endif %}" + kEnd + kOpening,
      kLoop + "{% if message.content | length < 200 %}" + kBody + "{% endif %}" + kEnd + kOpening,
      "{% for message in messages[1:] %}" + kBody + kEnd + kOpening,
      "{% for message in messages[::-1] %}" + kBody + kEnd + kOpening,
      "{% for m in messages %}" + kBody + kEnd + kOpening,
      kLoop + "{{ '<|im_start|>' + message['role'] + '\\n' + (message['content'] | upper) + '<|im_end|>\\n' }}" + kEnd +
          kOpening,
      kLoop + kBody + kEnd + "{% if not add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
      kLoop + kBody + kEnd + kLoop + kEnd + kOpening + kOpening};
  for (const std::string& jinja : templates) {
    EXPECT_FALSE(obstacle(jinja).empty()) << jinja;
  }
}

}  // namespace
}  // namespace kiln
