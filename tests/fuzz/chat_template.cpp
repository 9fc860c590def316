// A model's Jinja template: it writes a conversation, of which tokens and text agree, or is refused, in finite time.
#include "kiln/text/chat_template.h"

#include "target.h"
#include "text/byte_tokenizer.h"
#include <vector>

namespace kiln::fuzz {

void fuzz_chat_template(std::string_view input) {
  static const ByteTokenizer tokenizer(number_special_tokens(
      std::vector<std::string>{"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|eot_id|>"}, kByteCount));
  const SpecialIds ids{.begin = tokenizer.special("<s>"), .ends = {*tokenizer.special("</s>")}};
  const ChatTemplateSpec spec{
      .kind = ChatTemplateKind::own, .jinja = std::string(input), .tokens = {.start = "<s>", .end = "</s>"}};
  const ChatTemplate chat(spec, tokenizer, ids);
  const std::vector<ChatMessage> messages{{ChatRole::system, "Be brief."},
                                          {ChatRole::user, "Who </s> is it?"},
                                          {ChatRole::assistant, "Me, <s>."},
                                          {ChatRole::user, "Why?"},
                                          {ChatRole::assistant, "Because."}};
  const ChatTokens tokens = chat.tokens(messages);
  require(tokens.supervised.size() == tokens.ids.size(), "{} tokens and {} marks", tokens.ids.size(),
          tokens.supervised.size());
  require(tokenizer.decode(tokens.ids) == chat.text(messages), "tokens and text differ");
  require(tokenizer.decode(chat.prompt(messages)) == chat.text(messages, true), "tokens and text of a prompt differ");
  require(chat.tokens(messages).ids == tokens.ids, "other tokens the second time");
}

}  // namespace kiln::fuzz
