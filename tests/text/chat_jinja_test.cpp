// The Jinja of the built-in templates under real Jinja engines, and which foreign templates are recognised.
#include "kiln/text/chat_template.h"

#include <gmock/gmock.h>

#include "chats.h"
#include "support/process.h"

namespace kiln {
namespace {

constexpr int kNotFound = 127;         // a shell's code for a program that is not there
constexpr int kNothingToRunWith = 77;  // the script's exit code where the engine is not installed

Json chat_json(const std::vector<ChatMessage>& messages) {
  Json list = Json::array();
  for (const ChatMessage& message : messages) {
    list.push_back({{"role", name_of(message.role)}, {"content", message.content}});
  }
  return list;
}

/// Conversations with what each template makes of them, as tests/oracles/check_chat_template reads them.
Json rendered_chats() {
  Rng rng(34, "chats");
  const auto tokenizer = testing::chat_bytes();
  Json cases = Json::array();
  for (int round = 0; round < 300; ++round) {
    const std::vector<ChatMessage> chat = testing::random_chat(rng, true);
    for (const ChatTemplateKind kind : testing::kAllTemplates) {
      const ChatTemplate chat_of = testing::chat_template(kind, *tokenizer);
      for (const bool opens : {false, true}) {
        cases.push_back({{"jinja", chat_of.jinja()},
                         {"messages", chat_json(chat)},
                         {"add_generation_prompt", opens},
                         {"text", chat_of.text(chat, opens)}});
      }
    }
  }
  return cases;
}

/// Runs a script of tests/oracles on the conversations.
void expect_agreement(const std::string& interpreter, const std::string& script) {
  const std::filesystem::path path = std::filesystem::path(KILN_SOURCE_DIR) / "tests/oracles" / script;
  const testing::Outcome outcome = testing::run({interpreter, path.string(), "-"}, format_json(rendered_chats()));
  if (outcome.code == kNotFound) GTEST_SKIP() << interpreter << " is not installed; the golden texts stand in";
  if (outcome.code == kNothingToRunWith) GTEST_SKIP() << outcome.err;
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "1800 renderings agree\n");
}

TEST(ChatJinja, HuggingFacesJavaScriptRendersTheSameText) { expect_agreement("node", "check_chat_template.mjs"); }

TEST(ChatJinja, PythonRendersTheSameText) { expect_agreement("python3", "check_chat_template.py"); }

TEST(ChatJinja, GoldenTemplates) {
  const auto tokenizer = testing::chat_bytes();
  EXPECT_EQ(testing::chat_template(ChatTemplateKind::chatml, *tokenizer).jinja(),
            "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
            "{{ (message['content'] | trim) + '<|im_end|>\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}");
  EXPECT_TRUE(
      testing::chat_template(ChatTemplateKind::plain, *tokenizer).jinja().starts_with("{{ '<|start|>' }}{% for"));
  const ByteTokenizer quoting(number_special_tokens(std::vector<std::string>{"<'\\\n>"}, kByteCount));
  const ChatTemplate quoted(ChatTemplateKind::plain, quoting, {.ends = {256}, .end = 256});
  EXPECT_THAT(quoted.jinja(), ::testing::HasSubstr(R"({{ '<\'\\\n>' }})"));
  EXPECT_TRUE(quoted.jinja().starts_with("{% for"));
}

TEST(ChatJinja, ItsOwnTextsAreRecognised) {
  const auto tokenizer = testing::chat_bytes();
  for (const ChatTemplateKind kind : testing::kAllTemplates) {
    const std::string jinja = testing::chat_template(kind, *tokenizer).jinja();
    EXPECT_EQ(recognise_chat_template(jinja).kind, kind);
    EXPECT_EQ(recognise_chat_template(jinja + "\n").kind, kind);
    EXPECT_EQ(recognise_chat_template(jinja + " ").kind, std::nullopt);
  }
}

TEST(ChatJinja, ForeignTemplatesThatWriteTheSameAreRecognised) {
  const std::string chatml =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
      "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  EXPECT_EQ(recognise_chat_template(chatml).kind, ChatTemplateKind::chatml);
  EXPECT_EQ(recognise_chat_template("{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false "
                                    "%}{% endif %}" +
                                    chatml)
                .kind,
            ChatTemplateKind::chatml);
  EXPECT_EQ(recognise_chat_template("{#- comment -#}\n{%- for message in messages %}\n"
                                    "    {{- \"<|im_start|>\" ~ message.role ~ '\\n' }}\n"
                                    "    {%- generation %}{{- message.content | trim + '<|im_end|>\\n' -}}\n"
                                    "{% endgeneration %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
                                    "    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}\n")
                .kind,
            ChatTemplateKind::chatml);
  EXPECT_EQ(recognise_chat_template(
                "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
                "'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + "
                "'<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content "
                "}}{% endfor %}{% if add_generation_prompt %}{{ "
                "'<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}")
                .kind,
            ChatTemplateKind::llama3)
      << "Meta's first";
  const std::string opening = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  EXPECT_EQ(
      recognise_chat_template("{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m.content.strip() + "
                              "'<|im_end|>\\n' }}{% endfor %}" +
                              opening)
          .kind,
      ChatTemplateKind::chatml);
  EXPECT_EQ(recognise_chat_template("{% for turn in messages %}{{ '<|im_start|>' + turn.role + '\\n' }}"
                                    "{{ turn['content'].strip() + '<|im_end|>\\n' }}{% endfor %}" +
                                    opening)
                .kind,
            ChatTemplateKind::chatml);
}

TEST(ChatJinja, OfAForeignTemplateTheFirstObstacleIsNamed) {
  const auto obstacle = [](const std::string& jinja) { return recognise_chat_template(jinja).obstacle; };
  const std::string loop = "{% for message in messages %}", end = "{% endfor %}";
  const std::string opening = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  const std::string body = "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}";
  EXPECT_EQ(obstacle(loop + body + end + opening), "");
  EXPECT_EQ(obstacle("{%- if tools %}{{ tools }}{% endif %}" + loop + body + end + opening),
            "tools in {%- if tools %} is not understood");
  EXPECT_EQ(obstacle(loop + "{% if message['role'] != 'system' %}" + body + "{% endif %}" + end + opening),
            "message in {% if message['role'] != 'system' %} is not understood");
  EXPECT_EQ(obstacle("{% for message in messages[1:] %}" + body + end + opening),
            "[ in {% for message in messages[1:] %} is not understood");
  EXPECT_EQ(obstacle(body),
            "message in {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|… is not "
            "understood");
  EXPECT_EQ(obstacle(opening), "it has no loop over messages");
  EXPECT_EQ(obstacle(loop + body + end), "{% if add_generation_prompt %} does not open an answer");
  EXPECT_EQ(obstacle(loop + "{{ '[INST]' + message['role'] + message['content'] }}" + end + opening),
            "around a role and a content it writes \"[INST]<|im_start|>assistant\\n\"");
}

TEST(ChatJinja, TemplatesThatMayWriteOtherTextAreNot) {
  const std::string loop = "{% for message in messages %}", end = "{% endfor %}";
  const std::string opening = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  const std::string body = "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}";
  ASSERT_EQ(recognise_chat_template(loop + body + end + opening).kind, ChatTemplateKind::chatml);
  for (const std::string& jinja : std::vector<std::string>{
           "",
           "{{",
           "{% for",
           "{{ '",
           "{{ '\\",
           "text",
           loop + body + end,  // no opening
           loop + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}" + end + opening,
           "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are Qwen.<|im_end|>\\n' }}{% endif "
           "%}" +
               loop + body + end + opening,
           "You are here." + loop + body + end + opening,
           loop + "\n\n" + body + end + opening,
           loop + body + end + opening + "{{ eos_token }}",
           loop + body + end + "{% if tools %}{% endif %}" + opening,
           loop + "{% if message['role'] != 'system' %}" + body + "{% endif %}" + end + opening,
           loop + "{% if message['content'] %}" + body + "{% endif %}" + end + opening,
           loop + "{% if not loop.first %}" + body + "{% endif %}" + end + opening,
           loop + "{% if loop.first %}" + body + "{% endif %}" + end + opening,
           "{{ bos_token }}" + loop + body + end + opening,
           "{% for message in messages[1:] %}" + body + end + opening,
           loop + "{{ ('<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n').strip() }}" +
               end + opening,
           loop + "{{ ('<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n') | trim }}" +
               end + opening,
           loop +
               "{% set content = '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' %}" +
               "{{ content | trim }}" + end + opening,
           loop + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'].lstrip() + '<|im_end|>\\n' }}" +
               end + opening,
           "{% for m in messages %}" + body + end + opening,
           loop + "{{ '<|im_start|>' + message['role'] + '\\n' + (message['content'] | upper) + '<|im_end|>\\n' }}" +
               end + opening,
           loop + body + end + "{% if not add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
           "{% if add_generation_prompt %}{% endif %}" + loop + body + end + "{{ '<|im_start|>assistant\\n' }}",
           loop + body + end + loop + end + opening}) {
    EXPECT_EQ(recognise_chat_template(jinja).kind, std::nullopt) << jinja;
  }
}

}  // namespace
}  // namespace kiln
