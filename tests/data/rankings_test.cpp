// What a rater is shown, and the file in which judgements are kept.
#include "kiln/data/rankings.h"

#include "kiln/core/file.h"

#include <gmock/gmock.h>

#include "support/log_capture.h"
#include "support/scratch.h"
#include <algorithm>
#include <set>

namespace kiln {
namespace {

using ::kiln::testing::expect_error;
using ::kiln::testing::Scratch;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr const char* kTime = "2026-01-31T12:00:00Z";

JudgedPrompt asked(const std::string& question, const std::vector<std::string>& answers) {
  JudgedPrompt prompt{.messages = {{ChatRole::user, question}}, .answers = {}, .judgements = {}};
  for (const std::string& text : answers) prompt.answers.push_back({.text = text, .source = "m"});
  return prompt;
}

std::vector<JudgedPrompt> questions(int count) {
  std::vector<JudgedPrompt> prompts;
  for (int i = 0; i < count; ++i) prompts.push_back(asked("q" + std::to_string(i), {"a", "b", "c"}));
  return prompts;
}

TEST(Showings, AreAFunctionOfRaterSeedAndPrompt) {
  const std::vector<JudgedPrompt> prompts = questions(40);
  const auto orders = [&](std::span<const JudgedPrompt> some, const std::string& rater, std::uint64_t seed) {
    std::vector<std::vector<std::size_t>> orders;
    for (const Showing& showing : showings_for(some, rater, seed, 0)) orders.push_back(showing.shown());
    return orders;
  };
  const auto first = orders(prompts, "ann", 1);
  EXPECT_EQ(first.size(), 40u);
  EXPECT_EQ(first, orders(prompts, "ann", 1));
  EXPECT_NE(first, orders(prompts, "bob", 1));
  EXPECT_NE(first, orders(prompts, "ann", 2));
  EXPECT_EQ(orders(std::span(prompts).subspan(10), "ann", 1)[0], first[10]) << "other prompts change nothing";
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 6u) << "every order occurs";
}

TEST(Showings, RepeatsComeLaterInReverseOrder) {
  const std::vector<JudgedPrompt> prompts = questions(60);
  const std::vector<Showing> all = showings_for(prompts, "ann", 1, 0.25);
  std::size_t repeats = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].pass == 0) continue;
    ++repeats;
    const auto first = std::ranges::find(all, all[i].item, &Showing::item);
    ASSERT_LT(first, all.begin() + static_cast<std::ptrdiff_t>(i));
    std::vector<std::size_t> reversed = first->shown();
    std::ranges::reverse(reversed);
    EXPECT_EQ(all[i].shown(), reversed);
    const auto between = all.begin() + static_cast<std::ptrdiff_t>(i) - first;
    EXPECT_TRUE(between > 20 || all[i - 1].pass == 1 || all[i - 1].prompt == 59) << i;
  }
  EXPECT_GT(repeats, 6u);
  EXPECT_LT(repeats, 26u);
  EXPECT_EQ(showings_for(prompts, "ann", 1, 1).size(), 120u);
}

TEST(Showings, EqualAnswersAreShownOnceAndPromptsWithoutAChoiceNot) {
  const std::vector<JudgedPrompt> prompts{asked("same", {"a", " a\n"}), asked("q", {"a", "b", "a "}),
                                          asked("many", {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}),
                                          asked("q", {"a", "b", "a "}), asked("one", {"a"})};
  const std::vector<Showing> all = showings_for(prompts, "ann", 1, 0);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].prompt, 1u);
  EXPECT_THAT(all[0].groups, UnorderedElementsAre(ElementsAre(0, 2), ElementsAre(1)));
}

TEST(RankingLogs, KeepJudgementsThatReadersOfJudgementsRead) {
  const Scratch folder;
  const std::filesystem::path file = folder.path("r.jsonl");
  const std::vector<JudgedPrompt> prompts = questions(3);
  const std::vector<Showing> showings = showings_for(prompts, "ann", 1, 0);
  RankingLog log(file, "ann");
  log.add(prompts[0], showings[0], {.order = {{2}, {0, 1}}, .note = "n\n", .seconds = 1.5}, kTime);
  log.add(prompts[1], showings[1], {.order = {{1}}, .rest = {0, 2}, .edit = "mine"}, kTime);
  log.add(prompts[2], showings[2], {.order = {}}, kTime);
  EXPECT_EQ(log.judged(), 2);
  EXPECT_EQ(log.skipped(), 1);
  const JudgedPrompts read = read_judgements(std::span(&file, 1));
  ASSERT_EQ(read.prompts.size(), 2u);
  EXPECT_EQ(read.prompts[0].messages, prompts[0].messages);
  const Judgement& judgement = read.prompts[0].judgements[0];
  EXPECT_THAT(judgement.order, ElementsAre(ElementsAre(2), ElementsAre(0, 1)));
  EXPECT_EQ(judgement.shown, showings[0].shown());
  EXPECT_EQ(judgement.rater, "ann");
  EXPECT_THAT(read.prompts[1].judgements[0].order, ElementsAre(ElementsAre(3), ElementsAre(1)));
  EXPECT_EQ(read.census.skips, 1);
  EXPECT_THAT(read_file(file), HasSubstr("\"time\":\"2026-01-31T12:00:00Z\""));
}

TEST(RankingLogs, GoOnWhereTheRaterStopped) {
  const Scratch folder;
  const std::filesystem::path file = folder.path("r.jsonl");
  const std::vector<JudgedPrompt> prompts = questions(3);
  const std::vector<Showing> ann = showings_for(prompts, "ann", 1, 0), bob = showings_for(prompts, "bob", 1, 0);
  RankingLog(file, "ann").add(prompts[0], ann[0], {.order = {{0}, {1}, {2}}}, kTime);
  RankingLog(file, "bob").add(prompts[1], bob[1], {.order = {{0}, {1}, {2}}}, kTime);
  const RankingLog log(file, "ann");
  EXPECT_TRUE(log.has(ann[0]));
  EXPECT_FALSE(log.has(ann[1])) << "bob has judged it";
  EXPECT_EQ(log.judged(), 1);
}

TEST(RankingLogs, TakeBackTheLastFirst) {
  const Scratch folder;
  const std::filesystem::path file = folder.path("r.jsonl");
  const std::vector<JudgedPrompt> prompts = questions(2);
  const std::vector<Showing> showings = showings_for(prompts, "ann", 1, 0);
  {
    RankingLog log(file, "ann");
    EXPECT_FALSE(log.undo(kTime).has_value());
    log.add(prompts[0], showings[0], {.order = {{0}, {1}, {2}}}, kTime);
    log.add(prompts[1], showings[1], {.order = {}}, kTime);
  }
  RankingLog log(file, "ann");  // a later start
  EXPECT_EQ(log.undo(kTime)->first, showings[1].item);
  EXPECT_EQ(log.skipped(), 0);
  EXPECT_EQ(log.undo(kTime)->first, showings[0].item);
  EXPECT_FALSE(log.has(showings[0]));
  EXPECT_FALSE(log.undo(kTime).has_value());
  EXPECT_EQ(std::ranges::count(read_file(file), '\n'), 4) << "what was judged stays in the file";
  EXPECT_TRUE(read_judgements(std::span(&file, 1)).prompts.empty());
}

TEST(RankingLogs, AnIncompleteLastLineCountsAsNotWritten) {
  const Scratch folder;
  const std::filesystem::path file = folder.path("r.jsonl");
  const std::vector<JudgedPrompt> prompts = questions(2);
  const std::vector<Showing> showings = showings_for(prompts, "ann", 1, 0);
  RankingLog(file, "ann").add(prompts[0], showings[0], {.order = {{0}, {1}, {2}}}, kTime);
  const std::string whole = read_file(file);
  folder.write("r.jsonl", whole + whole.substr(0, whole.size() / 2));
  EXPECT_EQ(read_judgements(std::span(&file, 1)).census.judgements, 1) << "readers leave it out";
  const testing::LogCapture said;
  RankingLog log(file, "ann");
  EXPECT_THAT(said.text(), HasSubstr("r.jsonl:2: the line is incomplete"));
  EXPECT_TRUE(log.has(showings[0]));
  log.add(prompts[1], showings[1], {.order = {{0}, {1}, {2}}}, kTime);
  EXPECT_TRUE(read_file(file).starts_with(whole));
  EXPECT_EQ(read_judgements(std::span(&file, 1)).census.judgements, 2);
  folder.write("r.jsonl", whole.substr(0, whole.size() - 1));  // an editor has dropped the last line feed
  RankingLog(file, "ann").add(prompts[1], showings[1], {.order = {{0}, {1}, {2}}}, kTime);
  EXPECT_EQ(read_judgements(std::span(&file, 1)).census.judgements, 2);
}

TEST(RankingLogs, ReadWhatOtherProcessesAppend) {
  const Scratch folder;
  const std::filesystem::path file = folder.path("r.jsonl");
  const std::vector<JudgedPrompt> prompts = questions(4);
  const std::vector<Showing> showings = showings_for(prompts, "ann", 1, 0);
  RankingLog log(file, "ann"), terminal(file, "ann"), bob(file, "bob");
  terminal.add(prompts[0], showings[0], {.order = {{0}, {1}, {2}}}, kTime);
  bob.add(prompts[1], showings[1], {.order = {{0}, {1}, {2}}}, kTime);
  EXPECT_FALSE(log.has(showings[0]));
  log.refresh();
  EXPECT_TRUE(log.has(showings[0]));
  EXPECT_EQ(log.next(showings), 1u);
  EXPECT_EQ(log.left(showings), 3u);
  log.add(prompts[1], showings[1], {.order = {}}, kTime);
  log.refresh();
  log.refresh();
  EXPECT_EQ(log.judged(), 1) << "its own line counts once";
  EXPECT_EQ(log.skipped(), 1);
  terminal.refresh();
  EXPECT_EQ(terminal.undo(kTime)->first, showings[1].item) << "the last one, whoever wrote it";
  log.refresh();
  EXPECT_EQ(log.last()->first, showings[0].item);
  EXPECT_EQ(log.skipped(), 0);
  EXPECT_EQ(log.next(showings), 1u);
}

TEST(RankingLogs, ReadAFileThatWasReplacedOrCut) {
  const Scratch folder;
  const std::filesystem::path file = folder.path("r.jsonl");
  const std::vector<JudgedPrompt> prompts = questions(3);
  const std::vector<Showing> showings = showings_for(prompts, "ann", 1, 0);
  RankingLog log(file, "ann");
  log.add(prompts[0], showings[0], {.order = {{0}, {1}, {2}}}, kTime);
  const std::string first = read_file(file);
  log.add(prompts[1], showings[1], {.order = {{0}, {1}, {2}}}, kTime);
  log.refresh();
  write_file_atomically(file, first);  // an editor saves another file under the name
  log.add(prompts[2], showings[2], {.order = {{0}, {1}, {2}}}, kTime);
  log.refresh();
  EXPECT_TRUE(log.has(showings[0]));
  EXPECT_FALSE(log.has(showings[1]));
  EXPECT_TRUE(log.has(showings[2])) << "what was judged is in the file that has the name";
  std::filesystem::resize_file(file, first.size());
  log.refresh();
  EXPECT_EQ(log.left(showings), 2u);
  std::filesystem::remove(file);
  log.refresh();
  EXPECT_EQ(log.left(showings), 3u);
  log.add(prompts[1], showings[1], {.order = {{0}, {1}, {2}}}, kTime);
  EXPECT_EQ(read_judgements(std::span(&file, 1)).census.judgements, 1);
}

TEST(RankingLogs, LeaveALineThatIsBeingWrittenForLater) {
  const Scratch folder;
  const std::filesystem::path file = folder.path("r.jsonl");
  const std::vector<JudgedPrompt> prompts = questions(2);
  const std::vector<Showing> showings = showings_for(prompts, "ann", 1, 0);
  RankingLog(folder.path("whole.jsonl"), "ann").add(prompts[0], showings[0], {.order = {{0}, {1}, {2}}}, kTime);
  const std::string line = read_file(folder.path("whole.jsonl"));
  RankingLog log(file, "ann");
  const testing::LogCapture said;
  folder.write("r.jsonl", line.substr(0, 30));
  log.refresh();
  EXPECT_EQ(said.text(), "");
  EXPECT_FALSE(log.has(showings[0]));
  folder.write("r.jsonl", line);
  log.refresh();
  EXPECT_TRUE(log.has(showings[0]));
  folder.write("r.jsonl", line + "\n\nno JSON\n");
  expect_error(ExitCode::bad_input, file.string() + ":4: not valid JSON; each line of a .jsonl file is one JSON object",
               [&] { log.refresh(); });
}

TEST(ShownOrders, AreCompletedByThoseNotNamed) {
  const ShownOrder best = completed_order({{2}}, 4);
  EXPECT_THAT(best.groups, ElementsAre(ElementsAre(2)));
  EXPECT_THAT(best.rest, ElementsAre(0, 1, 3));
  const ShownOrder last = completed_order({{1, 2}}, 3);
  EXPECT_THAT(last.groups, ElementsAre(ElementsAre(1, 2), ElementsAre(0))) << "a single one comes last";
  EXPECT_TRUE(last.rest.empty());
  expect_error(ExitCode::usage, "a stands twice; name each answer once", [] { completed_order({{0}, {1, 0}}, 3); });
  expect_error(ExitCode::usage, "answer number 3 of the order does not exist; the 3 answers have the numbers 0 to 2",
               [] { completed_order({{3}}, 3); });
  expect_error(ExitCode::usage, "the order has an empty group; leave it out", [] { completed_order({{0}, {}}, 3); });
  expect_error(ExitCode::usage, "the order names no answer; name the best one first", [] { completed_order({}, 3); });
}

TEST(ShownOrders, BecomeVerdictsOnTheAnswers) {
  const Showing showing{.item = "i", .groups = {{3}, {0, 2}, {1}}};
  const Verdict order = verdict_of(showing, completed_order({{1}}, 3), {.note = "n", .seconds = 1.26});
  EXPECT_THAT(order.order, ElementsAre(ElementsAre(0, 2)));
  EXPECT_THAT(order.rest, ElementsAre(3, 1));
  EXPECT_EQ(order.note, "n");
  EXPECT_EQ(order.seconds, 1.3);
  const Verdict skip = verdict_of(showing, std::nullopt, {});
  EXPECT_TRUE(skip.order.empty() && skip.rest.empty());
  const Verdict own = verdict_of(showing, std::nullopt, {.edit = "mine"});
  EXPECT_THAT(own.rest, ElementsAre(3, 0, 2, 1)) << "an edit is better than all answers";
}

TEST(RankingLogs, OtherFilesAreRefused) {
  const Scratch folder;
  const std::string answers = folder.write("a.jsonl", R"({"prompt": "q", "answers": ["a", "b"]})"
                                                      "\n");
  expect_error(ExitCode::bad_input, answers + ":1: is not a line of kiln rank; name another file for the rankings",
               [&] { RankingLog(answers, "ann"); });
  const std::string text = folder.write("t.jsonl", "some notes");
  expect_error(ExitCode::bad_input, text + ":1: not valid JSON; each line of a .jsonl file is one JSON object",
               [&] { RankingLog(text, "ann"); });
  EXPECT_EQ(read_file(text), "some notes");
  const std::string cut = folder.write("c.jsonl", R"({"text": "of another pro)");  // which an append would remove
  expect_error(ExitCode::bad_input, cut + ":1: not valid JSON; each line of a .jsonl file is one JSON object",
               [&] { RankingLog(cut, "ann"); });
  EXPECT_NO_THROW(RankingLog(folder.write("begun.jsonl", R"({"rat)"), "ann"));
}

}  // namespace
}  // namespace kiln
