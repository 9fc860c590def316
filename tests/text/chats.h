// Tokenizers with chat tokens, and conversations made at random.
#pragma once

#include "kiln/text/bpe_tokenizer.h"
#include "kiln/text/chat_template.h"

#include "fixtures.h"
#include "text/byte_tokenizer.h"
#include <array>

namespace kiln::testing {

inline const std::vector<std::string> kChatSpecials{"<|start|>",         "<|endoftext|>",     "<|im_start|>",
                                                    "<|im_end|>",        "<|begin_of_text|>", "<|start_header_id|>",
                                                    "<|end_header_id|>", "<|eot_id|>"};
inline constexpr std::array kAllTemplates{ChatTemplateKind::chatml, ChatTemplateKind::llama3, ChatTemplateKind::plain};

/// Ids: the bytes, then kChatSpecials from 256 on.
inline std::unique_ptr<Tokenizer> chat_bytes() {
  return std::make_unique<ByteTokenizer>(number_special_tokens(kChatSpecials, kByteCount));
}

/// BPE with merges across letters, spaces, punctuation and line feeds.
inline std::unique_ptr<Tokenizer> chat_bpe(SplitPattern pattern) {
  TokenizerConfig config;
  config.vocab_size = 420;
  config.pattern = pattern;
  config.special_tokens = kChatSpecials;
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text +=
        "user\nHello there, what is it?\n\nsystem\nassistant\nUser: Hi!\n\nAssistant: It is 12 o'clock.\n\n\n\nTool: é "
        "中文\n";
  }
  return make_tokenizer(config, std::vector<std::string_view>{text});
}

inline ChatTemplate chat_template(ChatTemplateKind kind, const Tokenizer& tokenizer) {
  return ChatTemplate(kind, tokenizer, special_ids(tokenizer, {}));
}

/// The supervised tokens as text, with "|" where others come between.
inline std::string supervised_text(const Tokenizer& tokenizer, const ChatTokens& tokens) {
  std::string text;
  for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
    if (tokens.supervised[i] != 0) {
      text += tokenizer.token_bytes(tokens.ids[i]);
    } else if (i > 0 && tokens.supervised[i - 1] != 0) {
      text += '|';
    }
  }
  return text;
}

/// A conversation of up to six messages, now and then none. Some contents are empty, have white space around them, or
/// (if `types_markers`) spell special tokens.
inline std::vector<ChatMessage> random_chat(Rng& rng, bool types_markers) {
  static const std::vector<std::string> parts{"a",
                                              "Hello",
                                              " there",
                                              "?",
                                              "!\n",
                                              "\n\n",
                                              "  ",
                                              "12",
                                              "é",
                                              "ß",
                                              "中文",
                                              "日本語",
                                              "😀",
                                              "👩‍👩‍👧",
                                              "\t",
                                              "\r\n",
                                              "\xC2\xA0",
                                              "\xE3\x80\x80",
                                              "{{ x }}",
                                              "{% if %}",
                                              "'quote'",
                                              "\"q\"",
                                              "\\n",
                                              "User: me",
                                              "Assistant:",
                                              "ע",
                                              "\xE2\x80\xA8",
                                              "\xCC\x81",
                                              "<|",
                                              "\xE1\x9A\x80"};
  const auto content = [&] {
    std::string text;
    for (std::uint64_t count = rng.below(6); count > 0; --count) {
      text += types_markers && rng.below(4) == 0 ? kChatSpecials[rng.below(kChatSpecials.size())]
                                                 : parts[rng.below(parts.size())];
    }
    return text;
  };
  std::vector<ChatMessage> messages;
  if (rng.below(2) == 0) messages.push_back({ChatRole::system, content()});
  for (std::uint64_t count = rng.below(6); count > 0; --count) {
    constexpr std::array kRoles{ChatRole::user, ChatRole::assistant, ChatRole::assistant, ChatRole::user,
                                ChatRole::tool};
    messages.push_back({kRoles[rng.below(kRoles.size())], content()});
  }
  return messages;
}

}  // namespace kiln::testing
