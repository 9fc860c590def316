// Judged answers of every shape, and what is said of records that do not fit.
#include "kiln/data/judgements.h"

#include "kiln/core/error.h"

#include <gmock/gmock.h>

#include "data/small_data.h"
#include "support/compress.h"
#include "support/log_capture.h"
#include "support/scratch.h"
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::kiln::testing::Scratch;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Groups = std::vector<std::vector<std::size_t>>;
using Talk = std::vector<ChatMessage>;

JudgedPrompts judged_in(const std::filesystem::path& file, SamePrompt same = SamePrompt::join) {
  return read_judgements(std::span(&file, 1), same);
}

JudgedPrompts judged(std::string_view records, std::string_view name = "a.jsonl", SamePrompt same = SamePrompt::join) {
  const Scratch folder;
  return judged_in(folder.write(name, records), same);
}

/// The only prompt of some records.
JudgedPrompt only_prompt(std::string_view records) {
  JudgedPrompts read = judged(records);
  EXPECT_EQ(read.prompts.size(), 1u) << records;
  EXPECT_THAT(read.census.skipped, IsEmpty()) << records;
  return read.prompts.empty() ? JudgedPrompt() : std::move(read.prompts.front());
}

std::vector<std::string> texts_of(const JudgedPrompt& prompt) {
  std::vector<std::string> texts;
  for (const JudgedAnswer& answer : prompt.answers) texts.push_back(answer.text);
  return texts;
}

std::string refusal_of(std::string_view record) {
  return testing::refusal_of(record, "a.jsonl", [](const std::filesystem::path& file) { judged_in(file); });
}

/// Expects that a record is left out for a reason.
void expect_skipped(JudgementSkip reason, std::string_view record) {
  const JudgedPrompts read = judged(std::string("\n") + std::string(record));
  EXPECT_THAT(read.prompts, IsEmpty()) << record;
  ASSERT_TRUE(read.census.skipped.contains(reason)) << record;
  EXPECT_EQ(read.census.skipped.at(reason).count, 1);
  EXPECT_THAT(read.census.skipped.at(reason).place, ::testing::EndsWith("/a.jsonl:2"));
}

TEST(Judgements, AnUnlikelyPreferenceIsTheOppositeOne) {
  const JudgedPrompt prompt =
      only_prompt(R"({"prompt": "q", "chosen": "a", "rejected": "b", "margin": 1.5, "probability": 0.25})");
  EXPECT_THAT(texts_of(prompt), ElementsAre("a", "b"));
  ASSERT_EQ(prompt.judgements.size(), 1u);
  EXPECT_EQ(prompt.judgements[0].order, (Groups{{1}, {0}}));
  EXPECT_EQ(prompt.judgements[0].probability, 0.75);
  EXPECT_EQ(prompt.judgements[0].margin, -1.5);
}

TEST(Judgements, TheSameTextOfTwoSourcesIsTwoAnswers) {
  const JudgedPrompt prompt =
      only_prompt(R"({"prompt": "q", "answers": [{"text": "a", "source": "x"}, {"text": "a", "source": "y"}, "b"], )"
                  R"("order": [[0], [2]]})"
                  "\n"
                  R"({"prompt": "q", "answers": [{"text": "a", "source": "y"}, {"text": "b"}], "order": [[0], [1]]})");
  EXPECT_THAT(texts_of(prompt), ElementsAre("a", "a", "b"));
  ASSERT_EQ(prompt.judgements.size(), 2u);
  EXPECT_EQ(prompt.judgements[0].order, (Groups{{0}, {2}}));
  EXPECT_EQ(prompt.judgements[1].order, (Groups{{1}, {2}}));
}

TEST(Judgements, PromptChosenRejected) {
  const std::string lists =
      R"({"prompt": [{"role": "user", "content": "q"}], "chosen": [{"role": "assistant", "content": "a"}], )"
      R"("rejected": [{"role": "assistant", "content": "b"}], "margin": 1.5})";
  // The whole conversation in each answer, as UltraFeedback has it.
  const std::string whole =
      R"({"prompt": "q", "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], )"
      R"("rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}], "margin": 1.5})";
  for (const std::string& record :
       {std::string(R"({"prompt": "q", "chosen": "a", "rejected": "b", "margin": 1.5})"), lists, whole}) {
    const JudgedPrompt prompt = only_prompt(record);
    EXPECT_EQ(prompt.messages, (Talk{{ChatRole::user, "q"}})) << record;
    EXPECT_THAT(texts_of(prompt), ElementsAre("a", "b"));
    ASSERT_EQ(prompt.judgements.size(), 1u);
    EXPECT_EQ(prompt.judgements[0].order, (Groups{{0}, {1}}));
    EXPECT_EQ(prompt.judgements[0].margin, 1.5);
    EXPECT_THAT(prompt.judgements[0].rest, IsEmpty());
    EXPECT_THAT(prompt.place, ::testing::EndsWith("/a.jsonl:1"));
  }
}

TEST(Judgements, ChosenAndRejectedConversationsShareTheirPrompt) {
  const JudgedPrompt prompt =
      only_prompt(R"({"chosen": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, )"
                  R"({"role": "assistant", "content": "a"}], "rejected": [{"role": "system", "content": "s"}, )"
                  R"({"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]})");
  EXPECT_EQ(prompt.messages, (Talk{{ChatRole::system, "s"}, {ChatRole::user, "q"}}));
  EXPECT_THAT(texts_of(prompt), ElementsAre("a", "b"));
}

TEST(Judgements, TranscriptsAreSplitAtTheLastAssistantInCommon) {
  const JudgedPrompt prompt =
      only_prompt(R"({"chosen": "\n\nHuman: hello\n\nAssistant: hi\n\nHuman: tell\nme\n\nAssistant: A tale", )"
                  R"("rejected": "\n\nHuman: hello\n\nAssistant: hi\n\nHuman: tell\nme\n\nAssistant: A lie"})");
  EXPECT_EQ(prompt.messages,
            (Talk{{ChatRole::user, "hello"}, {ChatRole::assistant, "hi"}, {ChatRole::user, "tell\nme"}}));
  EXPECT_THAT(texts_of(prompt), ElementsAre("A tale", "A lie"));
  EXPECT_THAT(texts_of(only_prompt(R"({"chosen": "\n\nHuman: q\n\nAssistant: Yes, sir", )"
                                   R"("rejected": "\n\nHuman: q\n\nAssistant: Yes"})")),
              ElementsAre("Yes, sir", "Yes"));
}

TEST(Judgements, ThumbsOfOnePromptBecomeJudgements) {
  const JudgedPrompts read = judged(R"({"prompt": "q", "completion": "good", "label": true}
{"prompt": "q", "completion": "bad", "label": false}
{"prompt": "r", "completion": "alone", "label": true}
{"prompt": "q", "completion": " bad ", "label": false}
{"prompt": "q", "completion": "poor", "label": false}
{"prompt": "q", "completion": "fine", "label": true})");
  ASSERT_EQ(read.prompts.size(), 2u);
  EXPECT_THAT(texts_of(read.prompts[0]), ElementsAre("good", "bad", "poor", "fine"));
  EXPECT_EQ(read.prompts[0].answers[1].thumbs_down, 2);
  ASSERT_EQ(read.prompts[0].judgements.size(), 2u);
  EXPECT_EQ(read.prompts[0].judgements[0].order, (Groups{{0}}));
  EXPECT_THAT(read.prompts[0].judgements[0].rest, ElementsAre(1, 2));
  EXPECT_EQ(read.prompts[0].judgements[1].order, (Groups{{3}}));
  EXPECT_THAT(read.prompts[1].judgements, IsEmpty());
  EXPECT_EQ(read.census.without_judgement, 1);
  EXPECT_EQ(read.census.pairs, 4);
  EXPECT_EQ(read.census.ties, 0) << "two good answers were not compared";
}

TEST(Judgements, AThumbUpAndAThumbDownSayNothing) {
  const JudgedPrompts read = judged(R"({"prompt": "q", "completion": "a", "label": true}
{"prompt": "q", "completion": "a", "label": false}
{"prompt": "q", "completion": "b", "label": false})");
  EXPECT_THAT(read.prompts[0].judgements, IsEmpty());
  EXPECT_EQ(read.census.skipped.at(JudgementSkip::both_thumbs).count, 1);
}

TEST(Judgements, TheBestOfSeveralLeavesTheOthersUncompared) {
  const JudgedPrompt prompt =
      only_prompt(R"({"query": "q", "sample0": "a", "sample1": "b", "sample2": "c", "sample3": "d", "best": 2})");
  EXPECT_EQ(prompt.messages, (Talk{{ChatRole::user, "q"}}));
  EXPECT_EQ(prompt.judgements[0].order, (Groups{{2}}));
  EXPECT_THAT(prompt.judgements[0].rest, ElementsAre(0, 1, 3));
  EXPECT_THAT(pairs_of(prompt.judgements[0]),
              ElementsAre(JudgedPair{2, 0, false}, JudgedPair{2, 1, false}, JudgedPair{2, 3, false}));
}

TEST(Judgements, AnnotatorsOfAPair) {
  const JudgedPrompts read =
      judged(R"([{"instruction": "Do", "input": "this", "response1": "a", "response2": "b", "cmp_key": "m-1_n.2", )"
             R"("annotator1": 2, "annotator2": 0, "annotator3": 1}, )"
             R"({"instruction": "Do", "input": "this", "response1": "c", "response2": "b", "cmp_key": "o_n.2", )"
             R"("annotator1": 1}])",
             "a.json");
  ASSERT_EQ(read.prompts.size(), 1u);
  const JudgedPrompt& prompt = read.prompts[0];
  EXPECT_EQ(prompt.messages, (Talk{{ChatRole::user, "Do\n\nthis"}}));
  EXPECT_THAT(texts_of(prompt), ElementsAre("a", "b", "c"));
  EXPECT_EQ(prompt.answers[0].source, "m-1");
  EXPECT_EQ(prompt.answers[1].source, "n.2");
  ASSERT_EQ(prompt.judgements.size(), 4u);
  EXPECT_EQ(prompt.judgements[0].order, (Groups{{1}, {0}}));
  EXPECT_EQ(prompt.judgements[0].rater, "annotator1");
  EXPECT_EQ(prompt.judgements[1].order, (Groups{{0, 1}}));
  EXPECT_EQ(prompt.judgements[3].order, (Groups{{2}, {1}}));
  EXPECT_EQ(read.census.raters.at("annotator1"), 2);
  EXPECT_EQ(read.census.pairs, 3);
  EXPECT_EQ(read.census.ties, 1);
}

TEST(Judgements, TreesHaveAPromptForEachRankedGroup) {
  const std::string tree =
      R"({"prompt": {"role": "prompter", "text": "q", "replies": [)"
      R"({"role": "assistant", "text": "a", "rank": 1, "replies": [{"role": "prompter", "text": "r", "rank": 0, )"
      R"("replies": [{"role": "assistant", "text": "d", "rank": 1}, {"role": "assistant", "text": "e", "rank": 0}, )"
      R"({"role": "assistant", "text": "f", "rank": 1, "model_name": "m"}]}]}, )"
      R"({"role": "assistant", "text": "b", "rank": 0, "replies": [{"role": "prompter", "text": "s", )"
      R"("replies": [{"role": "assistant", "text": "alone", "rank": 0}]}]}, )"
      R"({"role": "assistant", "text": "no rank", "rank": null}, )"
      R"({"role": "assistant", "text": "gone", "rank": 2, "deleted": true}]}})";
  const JudgedPrompts read = judged(tree);
  ASSERT_EQ(read.prompts.size(), 2u);
  EXPECT_EQ(read.prompts[0].messages, (Talk{{ChatRole::user, "q"}}));
  EXPECT_THAT(texts_of(read.prompts[0]), ElementsAre("a", "b"));
  EXPECT_EQ(read.prompts[0].judgements[0].order, (Groups{{1}, {0}}));
  EXPECT_EQ(read.prompts[1].messages, (Talk{{ChatRole::user, "q"}, {ChatRole::assistant, "a"}, {ChatRole::user, "r"}}));
  EXPECT_EQ(read.prompts[1].judgements[0].order, (Groups{{1}, {0, 2}}));
  EXPECT_EQ(read.prompts[1].answers[2].source, "m");
  EXPECT_EQ(read.census.ties, 1);
}

TEST(Judgements, AGroupOfRepliesFollowsItsOwnBranch) {
  const auto branch = [](const std::string& name) {
    return R"({"role": "assistant", "text": ")" + name +
           R"(", "replies": [{"role": "prompter", "text": "r", "replies": [)"
           R"({"role": "assistant", "text": "x", "rank": 0}, {"role": "assistant", "text": "y", "rank": 1}]}]})";
  };
  const JudgedPrompts read =
      judged(R"({"prompt": {"role": "prompter", "text": "q", "replies": [)" + branch("a") + ", " + branch("b") + "]}}");
  ASSERT_EQ(read.prompts.size(), 2u);
  EXPECT_EQ(read.prompts[1].messages, (Talk{{ChatRole::user, "q"}, {ChatRole::assistant, "b"}, {ChatRole::user, "r"}}));
}

TEST(Judgements, DeepTreesAreReadOrRefused) {
  const JudgedPrompts read = judged(testing::chain_of_replies(1000));
  ASSERT_EQ(read.prompts.size(), 500u);
  EXPECT_EQ(read.prompts[0].messages.size(), 1u);
  ASSERT_EQ(read.prompts[499].messages.size(), 999u);
  EXPECT_EQ(read.prompts[499].messages[500].content, "m500");
  EXPECT_THAT(texts_of(read.prompts[499]), ElementsAre("m999", "worse"));
  EXPECT_EQ(refusal_of(testing::chain_of_replies(10'000)),
            "a.jsonl:1: has a reply below more than 1,000 messages; shorten the tree, or remove it");
}

TEST(Judgements, ADeepValueOverflowsNoStack) {
  const std::string deep = std::string(500'000, '[') + std::string(500'000, ']');
  EXPECT_EQ(refusal_of(R"({"prompt": )" + deep + R"(, "chosen": "a", "rejected": "b"})"),
            "a.jsonl:1: /prompt/0: is [...]; expected an object");
}

TEST(Judgements, AGroupOfTooManyRepliesIsRefused) {
  std::string tree = R"({"prompt": {"role": "prompter", "text": "q", "replies": [)";
  for (int i = 0; i <= 1000; ++i) {
    tree += fmt::format(R"({}{{"role": "assistant", "text": "{}", "rank": {}}})", i == 0 ? "" : ", ", i, i);
  }
  EXPECT_EQ(refusal_of(tree + "]}}"), "a.jsonl:1: /prompt/replies: has 1,001 answers; at most 1,000 fit");
}

constexpr const char* kRanked =
    R"({"rater": "ann", "item": "1f", "pass": 0, "messages": [{"role": "user", "content": "q"}], )"
    R"("answers": [{"text": "a", "source": "x"}, {"text": "b", "source": "y"}, "c"], "shown": [2, 0, 1], )";

TEST(Judgements, KilnsOwnRankings) {
  const JudgedPrompts read = judged(std::string(kRanked) + R"("order": [[1], [0, 2]], "seconds": 3.5, "note": "n"})");
  ASSERT_EQ(read.prompts.size(), 1u);
  const Judgement& judgement = read.prompts[0].judgements[0];
  EXPECT_EQ(judgement.order, (Groups{{1}, {0, 2}}));
  EXPECT_EQ(judgement.rater, "ann");
  EXPECT_THAT(judgement.shown, ElementsAre(2, 0, 1));
  EXPECT_EQ(read.prompts[0].answers[1].source, "y");
  EXPECT_EQ(only_prompt(R"({"prompt": "q", "answers": ["a", "b"], "order": [[1], [0]]})").judgements[0].order,
            (Groups{{1}, {0}}));
  EXPECT_EQ(judged(R"({"prompt": "q", "answers": ["a", "b"]})").census.without_judgement, 1);
}

TEST(Judgements, AnAnswerOfTheRaterIsTheBest) {
  const JudgedPrompts read = judged(std::string(kRanked) + R"("order": [[1]], "rest": [0, 2], "edit": "mine"})" + "\n" +
                                    kRanked + R"("order": [], "rest": [0, 1, 2], "edit": "other", "pass": 1})");
  ASSERT_EQ(read.prompts.size(), 1u);
  EXPECT_THAT(texts_of(read.prompts[0]), ElementsAre("a", "b", "c", "mine", "other"));
  EXPECT_TRUE(read.prompts[0].answers[3].is_edit);
  EXPECT_EQ(read.prompts[0].judgements[0].order, (Groups{{3}, {1}}));
  EXPECT_THAT(read.prompts[0].judgements[0].rest, ElementsAre(0, 2));
  EXPECT_EQ(read.prompts[0].judgements[1].order, (Groups{{4}}));
  EXPECT_EQ(read.census.edits, 2);
}

TEST(Judgements, OfOneKeyTheLastLineCounts) {
  const std::string first = std::string(kRanked) + R"("order": [[0], [1], [2]]})" + "\n";
  const std::string second = std::string(kRanked) + R"("order": [[2], [1], [0]]})" + "\n";
  const std::string undo = R"({"rater": "ann", "item": "1f", "pass": 0, "undo": true})"
                           "\n";
  const std::string skip = R"({"rater": "ann", "item": "1f", "pass": 0, "skip": true})"
                           "\n";
  const std::string other = R"({"rater": "bob", "item": "1f", "pass": 0, "undo": true})"
                            "\n";
  EXPECT_EQ(only_prompt(first + second).judgements[0].order, (Groups{{2}, {1}, {0}}));
  EXPECT_EQ(only_prompt(first + undo + second).judgements.size(), 1u);
  EXPECT_EQ(only_prompt(first + other).judgements.size(), 1u);
  EXPECT_THAT(judged(first + undo).prompts, IsEmpty());
  EXPECT_EQ(judged(first + undo).census.undone, 1);
  EXPECT_EQ(judged(first + skip).census.skips, 1);
  EXPECT_THAT(judged(first + skip).prompts, IsEmpty());
}

TEST(Judgements, AnIncompleteLastLineOfRankingsIsLeftOutWithAWarning) {
  const std::string whole = std::string(kRanked) + R"("order": [[0], [1], [2]]})" + "\n";
  for (const std::string& rest : {whole.substr(0, 40), std::string("{"), std::string(3, '\0')}) {
    const testing::LogCapture log;
    EXPECT_EQ(judged(whole + rest).census.judgements, 1) << rest;
    EXPECT_THAT(log.text(), HasSubstr("/a.jsonl:2: the line is incomplete and counts as not written")) << rest;
  }
  EXPECT_THAT(judged(R"({"rater":"ann","it)").prompts, IsEmpty()) << "the first line of all";
  EXPECT_EQ(refusal_of("{\n" + whole), "a.jsonl:1: not valid JSON; each line of a .jsonl file is one JSON object");
  EXPECT_EQ(refusal_of(whole + "{\n"), "a.jsonl:2: not valid JSON; each line of a .jsonl file is one JSON object");
}

TEST(Judgements, RecordsOfOnePromptAreJoinedOrKept) {
  const std::string records =
      "{\"prompt\": \"q\", \"chosen\": \"a\", \"rejected\": \"b\"}\n"
      "{\"prompt\": \"q\", \"chosen\": \"c\", \"rejected\": \" a\\n\"}\n"
      "{\"prompt\": \"r\", \"chosen\": \"a\", \"rejected\": \"b\"}\n";
  const JudgedPrompts joined = judged(records);
  ASSERT_EQ(joined.prompts.size(), 2u);
  EXPECT_THAT(texts_of(joined.prompts[0]), ElementsAre("a", "b", "c"));
  EXPECT_EQ(joined.prompts[0].judgements[1].order, (Groups{{2}, {0}}));
  EXPECT_EQ(joined.census.answers, 5);
  EXPECT_EQ(judged(records, "a.jsonl", SamePrompt::keep).prompts.size(), 3u);
}

TEST(Judgements, CompressedFilesAndSeveral) {
  const Scratch folder;
  const std::string record = R"({"prompt": "q", "chosen": "a", "rejected": "b"})";
  const std::vector<std::filesystem::path> files{folder.write("a.jsonl.gz", testing::gzip(record)),
                                                 folder.write("b.json.zst", testing::zstd("[" + record + "]"))};
  const JudgedPrompts read = read_judgements(files);
  ASSERT_EQ(read.prompts.size(), 1u);
  EXPECT_EQ(read.prompts[0].judgements.size(), 2u);
}

TEST(Judgements, PairsOfAnOrderWithTiesAndARest) {
  EXPECT_THAT(pairs_of({.order = {{3}, {0, 2}}, .rest = {1, 4}}),
              ElementsAre(JudgedPair{3, 0, false}, JudgedPair{3, 2, false}, JudgedPair{3, 1, false},
                          JudgedPair{3, 4, false}, JudgedPair{0, 2, true}, JudgedPair{0, 1, false},
                          JudgedPair{0, 4, false}, JudgedPair{2, 1, false}, JudgedPair{2, 4, false}));
  EXPECT_THAT(pairs_of({.order = {{0}}}), IsEmpty());
}

TEST(Judgements, WhatSaysNothingIsLeftOutAndCounted) {
  expect_skipped(JudgementSkip::equal_answers, R"({"prompt": "q", "chosen": "a", "rejected": "a "})");
  expect_skipped(JudgementSkip::equal_answers, R"({"chosen": "\n\nHuman: q\n\nAssistant: a", )"
                                               R"("rejected": "\n\nHuman: q\n\nAssistant: a"})");
  expect_skipped(JudgementSkip::equal_answers, R"({"query": "q", "sample0": "a", "sample1": "a", "best": 0})");
  expect_skipped(JudgementSkip::differ_earlier,
                 R"({"chosen": "\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant: b", )"
                 R"("rejected": "\n\nHuman: q\n\nAssistant: c\n\nHuman: s\n\nAssistant: d"})");
  expect_skipped(JudgementSkip::differ_earlier,
                 R"({"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], )"
                 R"("rejected": [{"role": "user", "content": "r"}, {"role": "assistant", "content": "b"}]})");
  expect_skipped(JudgementSkip::no_prompt, R"({"prompt": " ", "chosen": "a", "rejected": "b"})");
  expect_skipped(JudgementSkip::no_answers, R"({"prompt": "q", "answers": []})");
  expect_skipped(JudgementSkip::no_answers, R"({"query": "q", "best": 0})");
  expect_skipped(JudgementSkip::not_text,
                 R"({"instruction": "q", "response1": true, "response2": "b", "annotator1": 1})");
}

TEST(Judgements, WhatDoesNotFitIsNamed) {
  EXPECT_EQ(refusal_of(R"({"prompt": "q", "chosen": 3, "rejected": "b"})"),
            "a.jsonl:1: /chosen: is 3; expected text in quotes, or a list of messages");
  EXPECT_EQ(refusal_of(R"({"prompt": "q", "chosen": "a", "rejected": "b", "margin": "big"})"),
            "a.jsonl:1: /margin: is \"big\"; expected a number");
  EXPECT_THAT(refusal_of(R"({"chosen": "a", "rejected": "b"})"), HasSubstr("/chosen: is \"a\"; expected a transcript"));
  EXPECT_EQ(refusal_of(R"({"prompt": "q", "completion": "a", "label": 1})"),
            "a.jsonl:1: /label: is 1; expected true or false");
  EXPECT_EQ(refusal_of(R"({"query": "q", "sample0": "a", "sample1": "b", "best": 2})"),
            "a.jsonl:1: /best: is 2; expected a whole number from 0 to 1");
  EXPECT_EQ(refusal_of(R"({"instruction": "q", "response1": "a", "response2": "b", "annotator1": 3})"),
            "a.jsonl:1: /annotator1: is 3; expected a whole number from 0 to 2");
  EXPECT_EQ(refusal_of(R"({"prompt": "q", "answers": ["a", "b"], "order": [[2]]})"),
            "a.jsonl:1: /order/0/0: is 2; expected the number of an answer, from 0 to 1");
  EXPECT_EQ(refusal_of(R"({"prompt": "q", "answers": ["a", "b"], "order": [[0], [1, 0]]})"),
            "a.jsonl:1: /order/1/1: is 0; expected each answer once in an order");
  EXPECT_EQ(refusal_of(R"({"prompt": "q", "answers": ["a", "b"], "order": [[0]], "rest": [0]})"),
            "a.jsonl:1: /rest/0: is 0; expected each answer once in an order");
  EXPECT_EQ(refusal_of(R"({"prompt": "q", "answers": ["a", "b"], "order": [[]]})"),
            "a.jsonl:1: /order/0: is []; expected at least one answer in a group");
  EXPECT_EQ(refusal_of(R"({"prompt": "q", "answers": ["a", "b"], "order": []})"),
            "a.jsonl:1: /order: is []; expected at least one group of answers, unless there is an \"edit\"");
  EXPECT_THAT(
      refusal_of(R"({"text": "t"})"),
      HasSubstr("a.jsonl:1: has the keys \"text\"; judged answers have \"answers\", \"prompt\" with \"chosen\""));
  EXPECT_EQ(refusal_of("{\"prompt\": \"q\", \"chosen\": \"a\", \"rejected\": \"b\"}\n{"),
            "a.jsonl:2: not valid JSON; each line of a .jsonl file is one JSON object");
  EXPECT_THAT(refusal_of(R"({"prompt": {"role": "prompter", "text": "q", "replies": [{"role": "assistant", )"
                         R"("text": "a", "rank": "x"}, {"role": "assistant", "text": "b", "rank": 0}]}})"),
              HasSubstr("/prompt/replies/0/rank: is \"x\"; expected a number"));
}

// Real data sets, where the machine has them (KILN_DATA_DIR, or shared/data beside the project).
TEST(Judgements, RealDataSets) {
  const char* named = std::getenv("KILN_DATA_DIR");
  const std::filesystem::path folder = named != nullptr ? named : KILN_SOURCE_DIR "/../shared/data";
  struct Expected {
    const char* name;
    std::int64_t prompts, answers, judgements, pairs, ties;
  };
  bool is_any_there = false;
  for (const Expected& expected : {Expected{"oasst_en_100_tree.jsonl", 212, 641, 212, 754, 0},
                                   Expected{"pandalm-testset-v1.json", 170, 797, 2979, 2657, 322}}) {
    const std::filesystem::path file = folder / expected.name;
    if (!std::filesystem::exists(file)) continue;
    is_any_there = true;
    const JudgementCensus census = judged_in(file).census;
    EXPECT_EQ(census.prompts, expected.prompts) << file;
    EXPECT_EQ(census.answers, expected.answers) << file;
    EXPECT_EQ(census.judgements, expected.judgements) << file;
    EXPECT_EQ(census.pairs, expected.pairs) << file;
    EXPECT_EQ(census.ties, expected.ties) << file;
  }
  if (!is_any_there) GTEST_SKIP() << "no data sets in " << folder;
}

}  // namespace
}  // namespace kiln
