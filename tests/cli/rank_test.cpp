// kiln rank as a script, and its report.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/ranked_answers.h"
#include <algorithm>
#include <csignal>
#include <string>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::RankedAnswers;

TEST(Rank, AScriptRanksAndAnotherOneGoesOn) {
  const RankedAnswers answers(3);
  const Outcome first = answers.rank("a\n");
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("--- 1 of 3 ---"));
  EXPECT_THAT(first.out, HasSubstr("user: question 0"));
  EXPECT_THAT(first.out, HasSubstr("a) "));
  EXPECT_THAT(first.out, HasSubstr("(a > b; u takes it back)"));
  EXPECT_THAT(first.out, HasSubstr("(1 judged, 0 skipped, 2 left)"));
  EXPECT_THAT(first.out, Not(HasSubstr("source")));
  const Outcome second = answers.rank("a=b\ns\n");
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_THAT(second.out, Not(HasSubstr("question 0")));
  EXPECT_THAT(second.out, HasSubstr("(2 judged, 1 skipped, 0 left)"));
  const JudgedPrompts judged = answers.judged();
  EXPECT_EQ(judged.census.pairs, 1);
  EXPECT_EQ(judged.census.ties, 1);
  EXPECT_EQ(judged.census.skips, 1);
  EXPECT_EQ(judged.census.raters.at("ann"), 2);
  const std::string a = first.out.substr(first.out.find("a) ") + 3).starts_with("good") ? "good 0" : "bad 0";
  const JudgedPrompt& prompt = judged.prompts[0];
  EXPECT_EQ(prompt.answers[prompt.judgements[0].order[0][0]].text, a) << "letters are answers in the order shown";
}

TEST(Rank, UndoGoesBackAndKeepsTheLine) {
  const RankedAnswers answers(2);
  const Outcome outcome = answers.rank("a\nb\nu\nu\nb\n/undo\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("(0 judged, 0 skipped, 2 left)"));
  EXPECT_EQ(std::ranges::count(read_file(answers.rankings()), '\n'), 6);
  EXPECT_EQ(answers.judged().census.undone, 3);
  const Outcome nothing = answers.rank("u\n");
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("stdin:1: there is nothing to take back"));
}

TEST(Rank, EditsAndNotesAreKeptWithTheJudgement) {
  const RankedAnswers answers(2);
  const Outcome outcome = answers.rank("/edit one line\n/note why\nb\n/edit\ntwo \\\nlines\ns\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const JudgedPrompts judged = answers.judged();
  ASSERT_EQ(judged.prompts.size(), 2u);
  EXPECT_EQ(judged.prompts[0].answers[2].text, "one line");
  EXPECT_EQ(judged.prompts[1].answers[2].text, "two \nlines");
  EXPECT_EQ(judged.prompts[1].judgements[0].order.size(), 1u);
  EXPECT_EQ(judged.census.edits, 2);
  EXPECT_THAT(read_file(answers.rankings()), HasSubstr("\"note\":\"why\""));
}

TEST(Rank, MistakesInAScriptEndIt) {
  const RankedAnswers answers(2);
  const Outcome outcome = answers.rank("a\nz\nb\n");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("stdin:2: \"z\" is not an order of the letters a to b"));
  EXPECT_EQ(answers.judged().census.judgements, 1) << "what came before is kept";
  EXPECT_THAT(answers.rank("/undoo\n").err, HasSubstr("unknown command \"/undoo\"; did you mean \"/undo\"?"));
  EXPECT_THAT(answers.rank("/skip it\n").err, HasSubstr("/skip takes no value"));
  EXPECT_THAT(answers.rank("a\na\n").err, HasSubstr("stdin:2: all is judged"));
  EXPECT_THAT(answers.rank("", "").err, HasSubstr("--rater: name the person who ranks"));
  EXPECT_THAT(answers.rank("", "ann", {"--repeat", "2"}).err, HasSubstr("--repeat: 2 is not a share from 0 to 1"));
}

TEST(Rank, ControlCharactersOfAnAnswerAreShownAsText) {
  const testing::Scratch folder;
  const std::string file =
      folder.write("a.jsonl", R"({"prompt":"q\u001b]0;t\u0007","answers":["x\u001b[2J\r\nb) not an answer","y\u202e"]})"
                              "\n");
  const Outcome outcome =
      testing::run_kiln({"rank", file, "--output", folder.path("r.jsonl").string(), "--rater", "ann"}, "q\n");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(outcome.out, HasSubstr("\\u001b[2J\\r\n   b) not an answer"));
  EXPECT_THAT(outcome.out, HasSubstr("y\\u202e"));
}

TEST(Rank, ReportsAgreementPositionAndSources) {
  const RankedAnswers answers(12);
  // ann takes the first answer shown, every time; bob, who sees another order, as well.
  EXPECT_EQ(answers
                .rank("a\na\na\na\na\na\na\na\na\na\na\na\na\n"
                      "a\na\na\na\na\na\na\na\na\na\na\n",
                      "ann", {"--repeat", "1"})
                .code,
            0);
  std::string all;
  for (int i = 0; i < 12; ++i) all += "a\n";
  EXPECT_EQ(answers.rank(all, "bob").code, 0);
  const Outcome json = testing::run_kiln({"rank", answers.rankings().string(), "--report", "--json"});
  EXPECT_EQ(json.code, 0) << json.err;
  const nlohmann::json report = nlohmann::json::parse(json.out);
  EXPECT_EQ(report["first_shown"]["share"], 1.0);
  EXPECT_EQ(report["counts"]["judgements"], 36);
  EXPECT_EQ(report["within_raters"]["decided"]["share"], 0.0) << "a repetition has the reverse order";
  EXPECT_EQ(report["within_raters"]["decided"]["trials"], 12.0);
  EXPECT_EQ(report["between_raters"]["decided"]["trials"], 12.0);
  EXPECT_EQ(report["sources"].size(), 2u);
  EXPECT_TRUE(report["ceiling"].is_object());
  const Outcome text = testing::run_kiln({"rank", answers.rankings().string(), "--report"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("12 prompts with 24 answers: 36 judgements, 36 decided pairs and 0 ties"));
  EXPECT_THAT(text.out, HasSubstr("the better answer was shown first"));
  EXPECT_THAT(text.out, HasSubstr("a reward model that predicts these raters"));
}

TEST(Rank, ReportsOnOtherShapes) {
  const testing::Scratch folder;
  const std::string file = folder.write("p.json", R"([
    {"instruction": "q", "response1": "a", "response2": "b", "annotator1": 1, "annotator2": 1, "cmp_key": "m_n"},
    {"instruction": "r", "response1": "a", "response2": "b", "annotator1": 1, "annotator2": 2, "cmp_key": "m_n"},
    {"instruction": "s", "response1": true, "response2": "b", "annotator1": 1, "annotator2": 2, "cmp_key": "m_n"}])");
  const Outcome outcome = testing::run_kiln({"rank", file, "--report"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("left out: 1 record with an answer that is not text, the first at"));
  EXPECT_THAT(outcome.out, HasSubstr("two raters, neither a tie"));
  EXPECT_THAT(outcome.out, HasSubstr("annotator1"));
}

TEST(Rank, SaysWhatIsMissing) {
  const RankedAnswers answers(1);
  const std::string file = answers.scratch.path("answers.jsonl").string();
  const Outcome no_output = testing::run_kiln({"rank", file, "--rater", "ann"});
  EXPECT_EQ(no_output.code, 2);
  EXPECT_THAT(no_output.err, HasSubstr("--output: name the file to which judgements are added"));
  EXPECT_THAT(testing::run_kiln({"rank", file, "--output", file, "--rater", "ann"}).err,
              HasSubstr("is the file of answers; name another one"));
  const std::string same = answers.scratch.write("same.jsonl", R"({"prompt":"q","answers":["a","a"]})"
                                                               "\n");
  const Outcome nothing = testing::run_kiln({"rank", same, "--output", answers.rankings().string(), "--rater", "ann"});
  EXPECT_EQ(nothing.code, 3);
  EXPECT_THAT(nothing.err, HasSubstr("no prompt has from 2 to 9 different answers"));
}

TEST(Rank, AKilledProcessLosesNoJudgement) {
  const RankedAnswers answers(40);
  std::string script;
  for (int i = 0; i < 40; ++i) script += "a\n";
  testing::Process process(answers.command(), script);
  ASSERT_TRUE(process.wait_for_output(400));
  process.send(SIGKILL);
  const Outcome killed = process.finish();
  std::int64_t said = 0;
  for (std::size_t at = 0; (at = killed.out.find("u takes it back", at)) != std::string::npos; ++at) ++said;
  EXPECT_GE(answers.judged().census.judgements, said);
  const Outcome rest = answers.rank(script);  // more lines than are left
  EXPECT_THAT(rest.err, HasSubstr("all is judged"));
  EXPECT_EQ(answers.judged().census.judgements, 40);
}

TEST(Rank, AReportLeavesAnIncompleteLastLineOut) {
  const RankedAnswers answers(2);
  ASSERT_EQ(answers.rank("a\na\n").code, 0);
  const std::string whole = read_file(answers.rankings());
  answers.scratch.write("rankings.jsonl", whole.substr(0, whole.size() - 9));
  const Outcome outcome = testing::run_kiln({"rank", answers.rankings().string(), "--report", "--json"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.out)["counts"]["judgements"], 1);
  EXPECT_THAT(outcome.err, HasSubstr("rankings.jsonl:2: the line is incomplete and counts as not written"));
}

TEST(Rank, TwoRatersWriteToOneFileAtOnce) {
  const RankedAnswers answers(60);
  std::string script;
  for (int i = 0; i < 60; ++i) script += i % 3 == 0 ? "a=b\n" : "b\n";
  testing::Process ann(answers.command("ann"), script), bob(answers.command("bob"), script);
  EXPECT_EQ(ann.finish().code, 0);
  EXPECT_EQ(bob.finish().code, 0);
  const JudgedPrompts judged = answers.judged();
  EXPECT_EQ(judged.census.raters.at("ann"), 60);
  EXPECT_EQ(judged.census.raters.at("bob"), 60);
  EXPECT_EQ(judged.census.ties, 40);
}

}  // namespace
}  // namespace kiln
