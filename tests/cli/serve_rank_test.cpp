// kiln serve --rank: mistakes on the command line, before anything is served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/ranked_answers.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::RankedAnswers;
using testing::run_kiln;

/// Runs the command, which must not come to serve anything.
Outcome serve_rank(const std::vector<std::string>& words) {
  std::vector<std::string> all{"serve", "--port", "0"};
  all.insert(all.end(), words.begin(), words.end());
  return run_kiln(all);
}

TEST(ServeRank, SaysWhatIsMissing) {
  const RankedAnswers answers(1);
  const std::string file = answers.scratch.path("answers.jsonl").string();
  const Outcome alone = serve_rank({"--rank", file});
  EXPECT_EQ(alone.code, 2);
  EXPECT_THAT(alone.err, HasSubstr("--rankings: name the file to which judgements are added"));
  const Outcome same = serve_rank({"--rank", file, "--rankings", file});
  EXPECT_EQ(same.code, 2);
  EXPECT_THAT(same.err, HasSubstr("is the file of answers; name another one"));
  const Outcome name = serve_rank({"--rank", file, "--rankings", answers.scratch.path("r.txt").string()});
  EXPECT_EQ(name.code, 2);
  EXPECT_THAT(name.err, HasSubstr("give the file a name that ends in .jsonl"));
  const std::string rankings = answers.rankings().string();
  EXPECT_THAT(serve_rank({"--rank", file, "--rankings", rankings, "--repeat", "2"}).err,
              HasSubstr("--repeat: 2 is not a share from 0 to 1"));
  EXPECT_THAT(serve_rank({"--rank", file, "--rankings", rankings, "--rater", ""}).err, HasSubstr("--rater: name"));
  EXPECT_EQ(serve_rank({"--rankings", rankings}).code, 2) << "needs --rank";
}

TEST(ServeRank, NeedsAnswersWithAChoice) {
  const RankedAnswers answers(1);
  const std::string empty = answers.scratch.write("empty.jsonl", "");
  const Outcome nothing = serve_rank({"--rank", empty, "--rankings", answers.rankings().string()});
  EXPECT_NE(nothing.code, 0);
  EXPECT_THAT(nothing.err, HasSubstr(empty));
  const std::string alike = answers.scratch.write("alike.jsonl", R"({"prompt":"q","answers":["a","a"]})"
                                                                 "\n");
  const Outcome no_choice = serve_rank({"--rank", alike, "--rankings", answers.rankings().string()});
  EXPECT_EQ(no_choice.code, 3);
  EXPECT_THAT(no_choice.err, HasSubstr("no prompt has from 2 to 9 different answers"));
}

TEST(ServeRank, RefusesAFileThatHoldsNoRankings) {
  const RankedAnswers answers(1);
  const std::string other = answers.scratch.write("other.jsonl", R"({"prompt":"q","answers":["a","b"]})"
                                                                 "\n");
  const Outcome outcome = serve_rank({"--rank", answers.scratch.path("answers.jsonl").string(), "--rankings", other});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("is not a line of kiln rank; name another file for the rankings"));
}

}  // namespace
}  // namespace kiln
