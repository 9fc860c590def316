// The Jinja of the built-in templates under several Jinja engines, kiln's own among them.
#include "kiln/text/chat_template.h"

#include <gmock/gmock.h>

#include "chats.h"
#include "support/process.h"
#include "text/jinja.h"

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

TEST(ChatJinja, KilnsOwnJinjaRendersTheSameText) {
  for (Json variables : rendered_chats()) {
    const JinjaTemplate jinja(variables["jinja"].get<std::string>());
    EXPECT_EQ(jinja.render(variables), variables["text"].get<std::string>());
  }
}

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

}  // namespace
}  // namespace kiln
