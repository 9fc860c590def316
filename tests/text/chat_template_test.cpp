// Golden renderings, and what holds for the tokens of every conversation.
#include "kiln/text/chat_template.h"

#include <gmock/gmock.h>

#include "fixtures.h"
#include "text/byte_tokenizer.h"

namespace kiln {
namespace {

using testing::expect_error;

const std::vector<std::string> kChatSpecials{"<|start|>",         "<|endoftext|>",     "<|im_start|>",
                                             "<|im_end|>",        "<|begin_of_text|>", "<|start_header_id|>",
                                             "<|end_header_id|>", "<|eot_id|>"};
constexpr std::array kAllTemplates{ChatTemplateKind::chatml, ChatTemplateKind::llama3, ChatTemplateKind::plain};

std::unique_ptr<Tokenizer> chat_bytes() {
  return std::make_unique<ByteTokenizer>(number_special_tokens(kChatSpecials, kByteCount));
}

ChatTemplate chat_template(ChatTemplateKind kind, const Tokenizer& tokenizer) {
  return ChatTemplate(kind, tokenizer, special_ids(tokenizer, {}));
}

const std::vector<ChatMessage> kShortChat{
    {ChatRole::system, "Be brief."}, {ChatRole::user, "  Hi?\n"}, {ChatRole::assistant, "Hello."}};

TEST(ChatTemplate, RendersText) {
  const auto tokenizer = chat_bytes();
  EXPECT_EQ(chat_template(ChatTemplateKind::chatml, *tokenizer).text(kShortChat, true),
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi?<|im_end|>\n"
            "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(chat_template(ChatTemplateKind::llama3, *tokenizer).text(kShortChat, true),
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
            "<|start_header_id|>user<|end_header_id|>\n\nHi?<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(chat_template(ChatTemplateKind::plain, *tokenizer).text(kShortChat, true),
            "<|start|>Be brief.\n\nUser: Hi?\n\nAssistant: Hello.<|endoftext|>\n\nAssistant:");
}

}  // namespace
}  // namespace kiln
