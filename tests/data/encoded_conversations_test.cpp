// Conversations as tokens: what is counted, dropped and cut, and where their batches begin and end.
#include "kiln/data/encoded_conversations.h"

#include "kiln/data/conversation_examples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "text/byte_tokenizer.h"
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using testing::Scratch;

/// Bytes and the tokens of chatml; a conversation in chatml.
struct ChatRig {
  ByteTokenizer tokenizer{number_special_tokens(chat_special_tokens(ChatTemplateKind::chatml), kByteCount)};
  SpecialIds ids;
  ChatTemplate chat{ChatTemplateKind::chatml, tokenizer, ids};

  EncodedConversations encode(const std::vector<Conversation>& conversations, Index n_ctx,
                              TooLong too_long = TooLong::drop, Supervise supervise = Supervise::assistant) const {
    return encode_conversations(conversations, chat, tokenizer, ids, {supervise, too_long, n_ctx});
  }
  std::string text(std::span<const TokenId> tokens) const { return tokenizer.decode(tokens); }
};

Conversation turns(const std::vector<std::string>& contents, const std::string& system = "") {
  Conversation conversation;
  if (!system.empty()) conversation.messages.push_back({ChatRole::system, system});
  for (std::size_t i = 0; i < contents.size(); ++i) {
    conversation.messages.push_back({i % 2 == 0 ? ChatRole::user : ChatRole::assistant, contents[i]});
  }
  return conversation;
}

TEST(EncodedConversations, CountWhatTheyHold) {
  const ChatRig rig;
  const EncodedConversations encoded =
      rig.encode({turns({"hi", "hello"}), turns({"nobody answers"}), turns({"ab", "cd", "ef", "gh"})}, 1000);
  EXPECT_EQ(encoded.size(), 2);
  EXPECT_EQ(encoded.census().conversations, 2);
  EXPECT_EQ(encoded.census().without_answer, 1);
  EXPECT_EQ(encoded.census().supervised, 5 + 1 + 2 + 1 + 2 + 1);  // with the end of each turn
  EXPECT_EQ(encoded.census().tokens, std::ssize(encoded.ids(0)) + std::ssize(encoded.ids(1)));
  EXPECT_EQ(encoded.census().longest, std::ssize(encoded.ids(1)));
  EXPECT_EQ(rig.text(encoded.ids(0)), "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n");
}

TEST(EncodedConversations, TooLongOnesAreDroppedOrLoseTheirOldestTurns) {
  const ChatRig rig;
  const std::string filler(60, 'x');
  const std::vector<Conversation> conversations{turns({"old", filler, "mid", filler, "new", "short"}, "Be kind."),
                                                turns({"all", std::string(300, 'y')}), turns({"hi", "hello"})};
  const EncodedConversations dropped = rig.encode(conversations, 180);
  EXPECT_EQ(dropped.size(), 1);
  EXPECT_EQ(dropped.census().dropped, 2);
  const EncodedConversations cut = rig.encode(conversations, 180, TooLong::cut);
  EXPECT_EQ(cut.size(), 2);
  EXPECT_EQ(cut.census().cut, 1);
  EXPECT_EQ(cut.census().dropped, 1);  // its only turn is too long
  const std::string kept = rig.text(cut.ids(0));
  EXPECT_THAT(kept, ::testing::StartsWith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nmid"));
  EXPECT_THAT(kept, ::testing::EndsWith("short<|im_end|>\n"));
  EXPECT_LE(std::ssize(cut.ids(0)) - 1, 180);
}

TEST(EncodedConversations, AConversationMayFillTheContext) {
  const ChatRig rig;
  const std::vector<Conversation> one{turns({"hi", "hello"})};
  const Index rows = std::ssize(rig.encode(one, 1000).ids(0)) - 1;  // the last token is only a target
  EXPECT_EQ(rig.encode(one, rows).size(), 1);
  EXPECT_EQ(rig.encode(one, rows - 1).census().dropped, 1);
}

TEST(EncodedConversations, ADocumentIsSupervisedWhole) {
  const ChatRig rig;
  Conversation document;
  document.text = "once";
  const EncodedConversations encoded = rig.encode({document}, 100);
  EXPECT_THAT(encoded.supervised(0), ElementsAre(0, 1, 1, 1));
}

TEST(EncodedConversations, TheDigestKnowsTokensAndMask) {
  const ChatRig rig;
  const std::vector<Conversation> one{turns({"ab", "cd", "ef", "gh"})};
  EXPECT_EQ(rig.encode(one, 100).digest(), rig.encode(one, 100).digest());
  EXPECT_NE(rig.encode(one, 100).digest(), rig.encode({turns({"ab", "cd", "ef", "gi"})}, 100).digest());
  EXPECT_NE(rig.encode(one, 100).digest(), rig.encode(one, 100, TooLong::drop, Supervise::completion).digest());
}

TEST(Conversations, HoldOutTheTailOrTheFilesNamed) {
  const Scratch scratch;
  std::string lines;
  for (int i = 0; i < 10; ++i) lines += R"({"prompt":"q)" + std::to_string(i) + R"(","completion":"a"})" + "\n";
  DataConfig config;
  config.train = {scratch.write("chats.jsonl", lines)};
  config.validation_fraction = 0.2;
  const Conversations tail = read_conversations(config, {});
  ASSERT_EQ(tail.train.size(), 1u);
  EXPECT_EQ(tail.train[0].conversations.size(), 8u);
  ASSERT_EQ(tail.validation.size(), 1u);
  ASSERT_EQ(tail.validation[0].conversations.size(), 2u);
  EXPECT_EQ(tail.validation[0].conversations[0].messages[0].content, "q8");
  config.validation = {scratch.write("other.jsonl", R"({"prompt":"x","completion":"y"})")};
  const Conversations named = read_conversations(config, {});
  EXPECT_EQ(named.train[0].conversations.size(), 10u);
  EXPECT_EQ(named.validation[0].conversations.size(), 1u);
  EXPECT_EQ(named.validation[0].name, config.validation[0]);
  config.validation = config.train;
  EXPECT_THROW(read_conversations(config, {}), Error);
}

/// A file of `count` questions that begin with `name`.
std::string question_file(const Scratch& scratch, const std::string& name, int count) {
  std::string lines;
  for (int i = 0; i < count; ++i)
    lines += fmt::format(R"({{"prompt":"{}{}","completion":"a"}})"
                         "\n",
                         name, i);
  return scratch.write(name + ".jsonl", lines);
}

TEST(Conversations, OfAMixComeBySourceAndEachHoldsOutItsTail) {
  const Scratch scratch;
  DataConfig config;
  config.validation_fraction = 0.2;
  const std::string a = question_file(scratch, "a", 10), b = question_file(scratch, "b", 5);
  config.mix = {{{a}, 3}, {{b, question_file(scratch, "c", 5)}, 0.5}};
  const Conversations read = read_conversations(config, {});
  ASSERT_EQ(read.train.size(), 2u);
  EXPECT_EQ(read.train[0].conversations.size(), 8u);
  EXPECT_EQ(read.train[1].conversations.size(), 8u);
  EXPECT_EQ(read.train[1].name, b + " and 1 other file");
  EXPECT_EQ(read.train[1].weight, 0.5);
  ASSERT_EQ(read.validation.size(), 2u);
  EXPECT_EQ(read.validation[0].conversations[0].messages[0].content, "a8");
  EXPECT_EQ(read.validation[1].conversations[0].messages[0].content, "c3");
  config.mix[1].files = {b, a};
  testing::expect_error_with(ExitCode::usage, {"data.mix[1].files: " + a + " is named twice; keep it in one source"},
                             [&] { read_conversations(config, {}); });
  config.mix[1].files = {"gone.jsonl"};
  testing::expect_error_with(ExitCode::usage, {"data.mix[1].files: no file matches \"gone.jsonl\""},
                             [&] { read_conversations(config, {}); });
  config.mix[1].files = {b};
  config.validation = {a};
  EXPECT_THROW(read_conversations(config, {}), Error);
}

/// Conversations whose answers tell them apart, of unequal lengths.
EncodedConversations many(const ChatRig& rig, int count) {
  std::vector<Conversation> conversations;
  for (int i = 0; i < count; ++i)
    conversations.push_back(turns({"q", std::string(static_cast<std::size_t>(1 + i % 7), static_cast<char>('a' + i))}));
  return rig.encode(conversations, 100);
}

std::shared_ptr<const Examples> examples_of(EncodedConversations conversations) {
  return std::make_shared<ConversationExamples>(std::move(conversations));
}

/// The rows, targets and weights that scoring conversation i alone would have, at `row`.
void expect_conversation(const EncodedConversations& all, Index i, const Batch& batch, const Sequence& at) {
  const std::span<const TokenId> ids = all.ids(i);
  ASSERT_EQ(at.length, std::ssize(ids) - 1);
  std::set<Index> scored(batch.scored.begin(), batch.scored.end());
  for (Index t = 0; t < at.length; ++t) {
    const auto row = static_cast<std::size_t>(at.row + t);
    EXPECT_EQ(batch.rows.tokens[row], ids[static_cast<std::size_t>(t)]);
    EXPECT_EQ(batch.rows.positions[row], t);
    const bool is_supervised = all.supervised(i)[static_cast<std::size_t>(t) + 1] != 0;
    EXPECT_EQ(scored.contains(at.row + t), is_supervised);
    if (!is_supervised) continue;
    const auto m = std::ranges::find(batch.scored, at.row + t) - batch.scored.begin();
    EXPECT_EQ(batch.targets[static_cast<std::size_t>(m)], ids[static_cast<std::size_t>(t) + 1]);
    EXPECT_EQ(batch.weights[static_cast<std::size_t>(m)], 1.0f);
  }
}

TEST(ConversationExamples, LayConversationsEndToEndUntilTheNextDoesNotFit) {
  const ChatRig rig;
  const EncodedConversations all = many(rig, 20);
  PackedBatches batches(examples_of(many(rig, 20)), {.rows = 150, .micro_batches = 2, .order = DataOrder::sequential});
  Batch batch;
  Index next = 0;
  for (int step = 0; step < 6; ++step) {
    for (Index micro = 0; micro < 2; ++micro) {
      const Index examples = batches.count(next, micro);
      batches.fill(next, examples, batch);
      ASSERT_EQ(examples, std::ssize(batch.rows.sequences));
      Index rows = 0;
      for (const Sequence& sequence : batch.rows.sequences) {
        EXPECT_EQ(sequence.number, static_cast<std::uint64_t>(next));
        expect_conversation(all, next % 20, batch, sequence);
        rows += sequence.length;
        ++next;
      }
      EXPECT_LE(rows, 150);
      EXPECT_GT(rows + std::ssize(all.ids(next % 20)) - 1, 150);
      EXPECT_EQ(batch.rows.size() % kRowMultiple, 0);
    }
    EXPECT_EQ(batches.count(next, 2), 0);
  }
}

TEST(ConversationExamples, AShuffledEpochHoldsEachConversationOnceAndDependsOnTheSeedAlone) {
  const ChatRig rig;
  PackedBatches batches(examples_of(many(rig, 20)), {.rows = 100, .seed = 3});
  PackedBatches again(examples_of(many(rig, 20)), {.rows = 100, .seed = 3});
  PackedBatches other(examples_of(many(rig, 20)), {.rows = 100, .seed = 4});
  std::vector<Index> first, second;
  for (Index i = 0; i < 20; ++i) first.push_back(batches.example(i));
  for (Index i = 20; i < 40; ++i) second.push_back(batches.example(i));
  EXPECT_EQ(std::set<Index>(first.begin(), first.end()).size(), 20u);
  EXPECT_EQ(std::set<Index>(second.begin(), second.end()).size(), 20u);
  EXPECT_NE(first, second);
  Index same = 0;
  for (Index i = 39; i >= 0; --i) {  // in any order of questions
    EXPECT_EQ(again.example(i), i < 20 ? first[static_cast<std::size_t>(i)] : second[static_cast<std::size_t>(i - 20)]);
    same += other.example(i) == again.example(i) ? 1 : 0;
  }
  EXPECT_LT(same, 20);
}

TEST(ConversationExamples, OfWholeEpochsEndWithTheEpoch) {
  const ChatRig rig;
  PackedBatches batches(examples_of(many(rig, 20)), {.rows = 150, .micro_batches = 0});
  EXPECT_EQ(batches.steps_of_epochs(3), 3);
  Index drawn = 20;  // the second epoch
  for (const ExampleRange& range : micro_batches_of_step(batches, 20)) drawn += range.count;
  EXPECT_EQ(drawn, 40);
}

TEST(ConversationExamples, StepsOfEpochsAreThoseThatDrawThem) {
  const ChatRig rig;
  PackedBatches batches(examples_of(many(rig, 20)), {.rows = 150, .micro_batches = 2, .seed = 1});
  const Index steps = batches.steps_of_epochs(2.5);
  Index drawn = 0;
  for (Index step = 0; step < steps; ++step) {
    EXPECT_LT(drawn, 50);
    for (Index micro = 0; micro < 2; ++micro) drawn += batches.count(drawn, micro);
  }
  EXPECT_GE(drawn, 50);
}

TEST(ConversationExamples, OfSeveralSourcesFollowTheirWeights) {
  const ChatRig rig;
  EncodedConversations all;
  all.append(many(rig, 6), "a", 1);
  all.append(many(rig, 20), "b", 2);
  EXPECT_EQ(all.size(), 26);
  EXPECT_EQ(all.census().tokens, many(rig, 6).census().tokens + many(rig, 20).census().tokens);
  EXPECT_EQ(all.sources()[1].census.conversations, 20);
  EXPECT_EQ(rig.text(all.ids(6 + 3)), rig.text(many(rig, 20).ids(3)));
  PackedBatches batches(examples_of(all), {.rows = 100, .seed = 2});
  EXPECT_EQ(batches.epoch(), 10 + 20);
  EXPECT_EQ(batches.draws(0), 10);
  Batch batch;
  Index first_source = 0;
  for (Index drawn = 0; drawn < 300;) {  // ten epochs
    const Index examples = batches.count(drawn, 0);
    batches.fill(drawn, examples, batch);
    std::size_t k = 0;
    for (Index example = drawn; example < drawn + examples; ++example, ++k) {
      const Index i = batches.example(example);
      if (example < 300) first_source += i < 6 ? 1 : 0;
      expect_conversation(all, i, batch, batch.rows.sequences[k]);
    }
    drawn += examples;
  }
  EXPECT_EQ(first_source, 100);
}

TEST(ConversationExamples, ABatchHoldsConversationsOfOneSource) {
  const ChatRig rig;
  EncodedConversations all;
  all.append(many(rig, 6), "a", 1);
  all.append(EncodedConversations(), "none", 1);
  all.append(many(rig, 9), "b", 1);
  const PackedEvaluation source(examples_of(all), 150, 1 << 20);
  EXPECT_THAT(source.parts(), ElementsAre("a", "none", "b"));
  Batch batch;
  std::vector<Index> conversations(3, 0);
  for (Index i = 0; i < source.size(); ++i) {
    source.fill(i, batch);
    conversations[static_cast<std::size_t>(source.part(i))] += std::ssize(batch.rows.sequences);
  }
  EXPECT_THAT(conversations, ElementsAre(6, 0, 9));
}

TEST(ConversationExamples, ScoresAllConversationsOrAnEvenPartOfThem) {
  const ChatRig rig;
  const EncodedConversations all = many(rig, 20);
  const auto count = [](const PackedEvaluation& source) {
    Batch batch;
    Index targets = 0, tokens = 0;
    for (Index i = 0; i < source.size(); ++i) {
      source.fill(i, batch);
      targets += std::ssize(batch.targets);
      tokens += rows_in(batch.rows.sequences);
    }
    EXPECT_EQ(tokens, source.tokens());
    return targets;
  };
  EXPECT_EQ(count({examples_of(many(rig, 20)), 150, 1 << 20}), all.census().supervised);
  const Index half = count({examples_of(many(rig, 20)), 150, all.census().tokens / 2});
  EXPECT_NEAR(static_cast<double>(half), static_cast<double>(all.census().supervised) / 2, 15);
}

}  // namespace
}  // namespace kiln
