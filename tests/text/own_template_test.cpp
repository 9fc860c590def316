// Templates that a model brings along in Jinja: their tokens, what is supervised, and what cannot be used.
#include "kiln/text/chat_template.h"

#include <gmock/gmock.h>

#include "chats.h"
#include "text/jinja.h"
#include <numeric>

namespace kiln {
namespace {

using testing::chat_bpe;
using testing::chat_bytes;
using testing::chat_template;
using testing::expect_error;
using ::testing::HasSubstr;
using testing::supervised_text;

const std::string kLoop = "{% for m in messages %}", kEnd = "{% endfor %}";
const std::string kTurn = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}";
const std::string kOpening = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
const std::string kChatml = kLoop + kTurn + kEnd + kOpening;

/// As several models have it: a system message unless the conversation begins with one.
const std::string kWithSystem =
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe good.<|im_end|>\\n' }}{% endif %}" + kChatml;
/// Roles in brackets, blanks around what the model says, and the system's message within the first of the user.
const std::string kBrackets =
    "{% if messages[0].role == 'system' %}{% set system = '[S]' ~ messages[0].content ~ '[/S] ' %}"
    "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}" +
    kLoop +
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must take turns') }}{% endif %}"
    "{% if m.role == 'user' %}{{ bos_token + '[U] ' + (system if loop.first else '') + m.content.strip() + ' [/U]' }}"
    "{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}" +
    kEnd;
/// Roles are ordinary text on lines of their own.
const std::string kLines = kLoop + "{{ '<|' + m.role + '|>\\n' + m.content + eos_token + '\\n' }}" +
                           "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}" + kEnd;

const ModelTokens kTokens{.start = "<|start|>", .end = "<|endoftext|>"};
const std::vector<std::string> kTemplates{kWithSystem, kBrackets, kLines};

ChatTemplate own(const std::string& jinja, const Tokenizer& tokenizer, const SpecialIds& ids = {}) {
  return {{.kind = ChatTemplateKind::own, .jinja = jinja, .tokens = kTokens}, tokenizer, ids};
}

ChatMessage user(std::string text) { return {ChatRole::user, std::move(text)}; }
ChatMessage assistant(std::string text) { return {ChatRole::assistant, std::move(text)}; }

/// A conversation in turns, of contents as random_chat makes them.
std::vector<ChatMessage> random_turns(Rng& rng, bool types_markers) {
  std::vector<ChatMessage> turns;
  for (const ChatMessage& message : testing::random_chat(rng, types_markers)) {
    const bool is_system = turns.empty() && message.role == ChatRole::system;
    const bool follows_user = !turns.empty() && turns.back().role == ChatRole::user;
    const ChatRole role = is_system ? ChatRole::system : follows_user ? ChatRole::assistant : ChatRole::user;
    if (!trim_content(message.content).empty()) turns.push_back({role, message.content});
  }
  if (turns.empty() || turns.back().role == ChatRole::system) turns.push_back(user("Why?"));
  return turns;
}

/// What Jinja itself makes of the conversation.
std::string rendered(const std::string& jinja, const std::vector<ChatMessage>& messages, bool opens_answer) {
  Json variables{{"messages", Json::array()},
                 {"add_generation_prompt", opens_answer},
                 {"bos_token", kTokens.start},
                 {"eos_token", kTokens.end}};
  for (const ChatMessage& message : messages)
    variables["messages"].push_back({{"role", name_of(message.role)}, {"content", trim_content(message.content)}});
  return JinjaTemplate(jinja).render(variables);
}

TEST(OwnTemplate, IsABuiltInOneWhereItsJinjaIsKilns) {
  const auto tokenizer = chat_bytes();
  for (const ChatTemplateKind kind : testing::kAllTemplates) {
    const std::string jinja = chat_template(kind, *tokenizer).jinja();
    EXPECT_EQ(chat_template_of_jinja(jinja).kind, kind);
    EXPECT_EQ(chat_template_of_jinja(jinja + "\n").kind, kind);
    EXPECT_EQ(chat_template_of_jinja(jinja + " ").kind, ChatTemplateKind::own);
  }
}

TEST(OwnTemplate, TheTextIsWhatJinjaRenders) {
  Rng rng(51, "own");
  const auto tokenizer = chat_bytes();
  for (const std::string& jinja : kTemplates) {
    const ChatTemplate chat = own(jinja, *tokenizer);
    for (int round = 0; round < 100; ++round) {
      const std::vector<ChatMessage> turns = random_turns(rng, true);
      for (const bool opens : {false, true}) {
        const std::string text = rendered(jinja, turns, opens);
        EXPECT_EQ(chat.text(turns, opens), text);
        EXPECT_EQ(tokenizer->decode(opens ? chat.prompt(turns) : chat.tokens(turns).ids), text);
      }
    }
  }
}

TEST(OwnTemplate, TheTokensAreThoseOfTheWholeText) {
  Rng rng(52, "own");
  for (const SplitPattern pattern : {SplitPattern::gpt2, SplitPattern::cl100k}) {
    const auto tokenizer = chat_bpe(pattern);
    for (const std::string& jinja : kTemplates) {
      const ChatTemplate chat = own(jinja, *tokenizer);
      for (int round = 0; round < 100; ++round) {
        std::vector<ChatMessage> turns = random_turns(rng, false);
        std::erase_if(turns, [](const ChatMessage& turn) { return turn.role == ChatRole::assistant; });
        turns.resize(std::min<std::size_t>(turns.size(), turns[0].role == ChatRole::system ? 2 : 1));
        EXPECT_EQ(chat.prompt(turns), tokenizer->encode(rendered(jinja, turns, true), SpecialTokens::allow));
      }
    }
  }
}

TEST(OwnTemplate, AnAnswerFollowsItsPromptAndIsSupervisedToItsEnd) {
  Rng rng(53, "own");
  const auto tokenizer = chat_bpe(SplitPattern::gpt2);
  for (const std::string& jinja : kTemplates) {
    const ChatTemplate chat = own(jinja, *tokenizer);
    const std::string gap = jinja == kBrackets ? " " : jinja == kLines ? "\n" : "";
    const std::string behind = jinja == kBrackets ? " <|endoftext|>" : jinja == kLines ? "<|endoftext|>" : "<|im_end|>";
    EXPECT_EQ(tokenizer->token_bytes(chat.end_of_turn()), behind.substr(behind.find('<')));
    for (int round = 0; round < 100; ++round) {
      std::vector<ChatMessage> turns = random_turns(rng, true);
      if (turns.back().role == ChatRole::user) turns.push_back(assistant("It is so."));
      const ChatTokens tokens = chat.tokens(turns);
      std::string answers;
      for (const ChatMessage& turn : turns) {
        if (turn.role != ChatRole::assistant) continue;
        answers.append(gap).append(trim_content(turn.content)).append(behind);
        if (&turn != &turns.back()) answers += '|';
      }
      const std::string supervised = supervised_text(*tokenizer, tokens);
      EXPECT_EQ(supervised.substr(0, answers.size()), answers);
      EXPECT_THAT(supervised.substr(answers.size()), ::testing::AnyOf("", "|"));

      const std::vector<TokenId> prompt = chat.prompt(std::span(turns).first(turns.size() - 1));
      ASSERT_LT(prompt.size(), tokens.ids.size());
      EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), tokens.ids.begin()));
      const ChatTokens last = chat.tokens(turns, Supervise::completion);
      EXPECT_EQ(std::ranges::find(last.supervised, 1) - last.supervised.begin(), std::ssize(prompt));
    }
  }
}

TEST(OwnTemplate, HasTheTokensOfTheBuiltInOneThatWritesTheSame) {
  Rng rng(54, "own");
  for (const SplitPattern pattern : {SplitPattern::gpt2, SplitPattern::cl100k}) {
    const auto tokenizer = chat_bpe(pattern);
    const ChatTemplate chatml = chat_template(ChatTemplateKind::chatml, *tokenizer);
    const ChatTemplate foreign = own(kChatml, *tokenizer);
    for (int round = 0; round < 200; ++round) {
      const std::vector<ChatMessage> turns = random_turns(rng, true);
      for (const Supervise supervise : {Supervise::assistant, Supervise::completion, Supervise::all}) {
        EXPECT_EQ(foreign.tokens(turns, supervise).ids, chatml.tokens(turns, supervise).ids);
        EXPECT_EQ(foreign.tokens(turns, supervise).supervised, chatml.tokens(turns, supervise).supervised);
      }
      EXPECT_EQ(foreign.prompt(turns), chatml.prompt(turns));
    }
  }
}

TEST(OwnTemplate, EachMessageHasItsLength) {
  const auto tokenizer = chat_bytes();
  const std::vector<ChatMessage> turns{{ChatRole::system, "be"}, user("a"), assistant("bcd"), user("e")};
  const ChatTemplate built_in = chat_template(ChatTemplateKind::chatml, *tokenizer), foreign = own(kChatml, *tokenizer);
  EXPECT_EQ(built_in.lengths(turns), (std::vector<std::int64_t>{12, 9, 16, 9}));
  for (const ChatTemplate& chat : {built_in, foreign}) {
    const std::vector<std::int64_t> lengths = chat.lengths(turns);
    EXPECT_EQ(std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}), std::ssize(chat.tokens(turns).ids));
  }
  EXPECT_EQ(foreign.lengths(turns), (std::vector<std::int64_t>{11, 9, 16, 10}))
      << "a line feed goes to what follows it";
}

TEST(OwnTemplate, AMarkerThatAUserTypedStaysText) {
  const auto tokenizer = chat_bytes();
  const ChatTemplate chat = own(kWithSystem, *tokenizer);
  const std::vector<TokenId> ids = chat.prompt(std::vector{user("<|im_end|> and <|im_start|>")});
  EXPECT_EQ(std::ranges::count(ids, chat.end_of_turn()), 2);
  EXPECT_EQ(std::ranges::count(ids, *tokenizer->special("<|im_start|>")), 3);
}

TEST(OwnTemplate, OnlyWhatTheModelSaysIsSupervised) {
  const auto tokenizer = chat_bytes();
  const std::string no_end_within =
      kLoop + "{{ m.role + ': ' + m.content + (eos_token if loop.last and m.role == 'assistant' else '. ') }}" + kEnd +
      "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";
  const std::vector<ChatMessage> chat{user("a"), assistant("b"), user("c"), assistant("d")};
  EXPECT_EQ(supervised_text(*tokenizer, own(no_end_within, *tokenizer).tokens(chat)), " b| d<|endoftext|>");
  const std::string thinking = kLoop + "{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}" +
                               "{{ '<|start|><|start|>' }}{% endif %}{{ m.content + '<|im_end|>' }}" + kEnd + kOpening;
  EXPECT_EQ(supervised_text(*tokenizer, own(thinking, *tokenizer).tokens(chat)),
            "<|start|><|start|>b<|im_end|>|<|start|><|start|>d<|im_end|>")
      << "what stands between the opening of an answer and its content";
  EXPECT_EQ(supervised_text(*tokenizer, own(kWithSystem, *tokenizer).tokens(std::vector{user("a"), assistant("")})), "")
      << "an empty answer";
}

TEST(OwnTemplate, ACheckpointKeepsWhatTheTemplateCallsItsTokens) {
  const auto tokenizer = chat_bytes();
  const TokenId start = *tokenizer->special("<|start|>"), end = *tokenizer->special("<|endoftext|>"),
                other = *tokenizer->special("<|im_end|>");
  const ChatTemplate same = own(kBrackets, *tokenizer, {.begin = start, .ends = {end}});
  EXPECT_EQ(same.jinja(), kBrackets);
  const SpecialIds others{.ends = {other, end}};
  const ChatTemplate changed = own(kBrackets, *tokenizer, others);
  EXPECT_EQ(changed.jinja(), "{% set bos_token = '<|start|>' %}\n{% set eos_token = '<|endoftext|>' %}\n" + kBrackets);
  const ChatTemplate read({.kind = ChatTemplateKind::own, .jinja = changed.jinja(), .tokens = {"", "<|im_end|>"}},
                          *tokenizer, others);
  const std::vector<ChatMessage> chat{user("a"), assistant("b")};
  EXPECT_EQ(read.jinja(), changed.jinja());
  EXPECT_EQ(read.hash(), changed.hash());
  EXPECT_EQ(read.text(chat), same.text(chat));
  EXPECT_EQ(own(kLines, *tokenizer).hash(), own(kLines, *tokenizer).hash());
  EXPECT_NE(own(kLines, *tokenizer).hash(), own(kLines + " ", *tokenizer).hash());
  EXPECT_NE(own(kChatml, *tokenizer).hash(), chat_template(ChatTemplateKind::chatml, *tokenizer).hash());
}

TEST(OwnTemplate, AConversationThatItRefusesOrChangesIsAnError) {
  const auto tokenizer = chat_bytes();
  expect_error(ExitCode::usage, {"the model's chat template refuses the conversation: Roles must take turns"}, [&] {
    own(kBrackets, *tokenizer).prompt(std::vector{user("a"), user("b")});
  });
  const std::string thinking = kLoop +
                               "{% set content = m.content.split('</think>')[-1] %}"
                               "{{ '<|im_start|>' + m.role + '\\n' + content + '<|im_end|>\\n' }}" +
                               kEnd + kOpening;
  const ChatTemplate chat = own(thinking, *tokenizer);
  EXPECT_THAT(chat.text(std::vector{user("a"), assistant("think: b")}), HasSubstr("think: b"));
  for (const std::size_t place : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
    std::vector<ChatMessage> turns{user("a"), assistant("b"), user("c"), assistant("d")};
    turns[place].content = "hm</think>yes";
    expect_error(ExitCode::usage,
                 {"the model's chat template changes the content of messages[" + std::to_string(place) +
                  "], \"hm</think>yes\": kiln needs one that copies contents"},
                 [&] { chat.tokens(turns); });
  }
  const std::vector<std::string> others{kLoop + "{{ m.content | upper }}" + kTurn + kEnd,
                                        "\uFDD0"
                                        "0\uFDD1" +
                                            kChatml,
                                        kChatml + "\uFDD0", kChatml + "{{ messages[0].content[:2] }}"};
  for (const std::string& jinja : others) {
    EXPECT_THROW(own(jinja, *tokenizer).prompt(std::vector{user("Hello")}), Error) << jinja;
  }
}

TEST(OwnTemplate, ALongConversationIsRenderedAsAShortOne) {
  const auto tokenizer = chat_bytes();
  std::vector<ChatMessage> turns;
  for (int i = 0; i < 10; ++i) {
    turns.push_back(user(std::string(40'000, 'a')));
    turns.push_back(assistant(std::string(2'000, 'b')));
  }
  for (const std::string& jinja : kTemplates)
    EXPECT_EQ(std::ranges::count(own(jinja, *tokenizer).tokens(turns).ids, 'b'), 20'000);
}

TEST(OwnTemplate, ASystemMessageIsNotLeftOutSilently) {
  const auto tokenizer = chat_bytes();
  const ChatTemplate chat = own(kLoop + "{% if m.role != 'system' %}" + kTurn + "{% endif %}" + kEnd, *tokenizer);
  EXPECT_EQ(chat.text(std::vector{user("a")}), "<|im_start|>user\na<|im_end|>\n");
  expect_error(ExitCode::usage, {"the model's chat template leaves out messages[0], of the role system"}, [&] {
    chat.prompt(std::vector<ChatMessage>{{ChatRole::system, "be"}, user("a")});
  });
}

TEST(OwnTemplate, TellsWhetherAnswersFollowTheirPrompts) {
  const auto tokenizer = chat_bytes();
  for (const std::string& jinja : kTemplates) EXPECT_TRUE(own(jinja, *tokenizer).continues_prompts());
  const std::string thinks =
      kLoop + kTurn + kEnd + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}";
  EXPECT_FALSE(own(thinks, *tokenizer).continues_prompts());
  EXPECT_EQ(supervised_text(*tokenizer, own(thinks, *tokenizer).tokens(std::vector{user("a"), assistant("b")})),
            "b<|im_end|>|");
}

TEST(OwnTemplate, LineFeedsAtItsEndsStayThroughACheckpoint) {
  const auto tokenizer = chat_bytes();
  const SpecialIds ids{.begin = *tokenizer->special("<|im_end|>"), .ends = {*tokenizer->special("<|im_end|>")}};
  const std::vector<ChatMessage> chat{user("a"), assistant("b")};
  const std::vector<std::string> templates{"\n" + kChatml, "  " + kChatml, kChatml + "\n\n", kLines + "{{ '' }}\n\n"};
  for (const std::string& jinja : templates) {
    const ChatTemplate made({chat_template_of_jinja(jinja, kTokens)}, *tokenizer, ids);
    const ChatTemplate read({chat_template_of_jinja(made.jinja(), {"<|im_end|>", "<|im_end|>"})}, *tokenizer, ids);
    EXPECT_EQ(made.kind(), ChatTemplateKind::own);
    EXPECT_EQ(read.hash(), made.hash());
    EXPECT_EQ(read.text(chat, true), made.text(chat, true)) << jinja;
  }
}

TEST(OwnTemplate, TheLongestSpecialTokenEndsAnAnswer) {
  const ByteTokenizer tokenizer(
      number_special_tokens(std::vector<std::string>{"<|e", "<|e|>", "<|e|>!", "<|e|"}, kByteCount));
  const ChatTemplate chat = own(kLoop + "{{ m.content + '<|e|>!' }}" + kEnd, tokenizer);
  EXPECT_EQ(tokenizer.token_bytes(chat.end_of_turn()), "<|e|>!");
}

TEST(OwnTemplate, OneThatCannotBeUsedSaysWhy) {
  const auto tokenizer = chat_bytes();
  const auto expect = [&](const std::string& jinja, const std::string& reason) {
    expect_error(ExitCode::usage, {reason}, [&] { own(jinja, *tokenizer); });
  };
  expect(kLoop + "{{ m.role + ': ' + m.content + '</s>\\n' }}" + kEnd,
         "the model's chat template ends an answer with \"</s>\\n\", which holds no special token of the vocabulary");
  expect(kLoop + "{% if m.role != 'assistant' %}" + kTurn + "{% endif %}" + kEnd,
         "the model's chat template leaves out messages[1], of the role assistant");
  expect("{% include 'chatml' %}",
         "the model's chat template cannot be read: include begins a block that is not understood");
  expect("{{ strftime_now('%Y') }}" + kChatml,
         "the model's chat template cannot be rendered: the function \"strftime_now\" is not understood");
  for (const char* jinja : {"", "{{", "{% for", "{{ '", "{{ '\\", "text"}) {
    EXPECT_THROW(own(jinja, *tokenizer), Error) << jinja;
  }
}

}  // namespace
}  // namespace kiln
