// kiln answers: what it writes, from one model and several.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/chat_run.h"
#include <sstream>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;

/// A run like chat_run(), from other random numbers.
std::string other_run() {
  static const testing::SmallRun run;
  static const Outcome outcome =
      run.train({"--set", testing::kChatTokens, "--set", "model.n_ctx=256", "--set", "seed=7"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return run.folder;
}

std::vector<nlohmann::json> lines_of(const std::filesystem::path& file) {
  std::vector<nlohmann::json> lines;
  std::istringstream text(read_file(file));
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST(Answers, OfSeveralModelsHaveTheirSourcesAndSettings) {
  const testing::Scratch folder;
  const std::string prompts = folder.write("p.txt", "first\nsecond\n"), output = folder.path("a.jsonl").string();
  const std::vector<std::string> command{"answers",   testing::chat_run().folder,
                                         other_run(), "--prompts",
                                         prompts,     "--count",
                                         "2",         "--output",
                                         output,      "--seed",
                                         "3",         "--system",
                                         "be brief",  "--max-tokens",
                                         "8",         "--temperature",
                                         "0.9"};
  const Outcome outcome = testing::run_kiln(command);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("8 answers to 2 prompts; rank them: kiln rank"));
  const std::vector<nlohmann::json> lines = lines_of(output);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["messages"][0]["content"], "be brief");
  EXPECT_EQ(lines[1]["messages"][1]["content"], "second");
  ASSERT_EQ(lines[0]["answers"].size(), 4u);
  EXPECT_EQ(lines[0]["answers"][0]["source"], testing::chat_run().folder);
  EXPECT_EQ(lines[0]["answers"][2]["source"], other_run());
  EXPECT_TRUE(lines[0]["answers"][0]["ended"].is_boolean());
  EXPECT_EQ(lines[0]["sampling"]["seed"], 3);
  EXPECT_EQ(lines[0]["sampling"]["temperature"], 0.9);
  EXPECT_EQ(lines[0]["sampling"]["max_tokens"], 8);
  const nlohmann::json& sources = lines[0]["sources"];
  EXPECT_EQ(sources[other_run()]["template"], "chatml");
  EXPECT_NE(sources[other_run()]["model"], sources[testing::chat_run().folder]["model"]);
  const std::string bytes = read_file(output);
  ASSERT_EQ(testing::run_kiln(command).code, 0);
  EXPECT_EQ(read_file(output), bytes) << "the same seed gives the same answers";
  const Outcome ranked = testing::run_kiln(
      {"rank", output, "--output", folder.path("r.jsonl").string(), "--rater", "ann", "--repeat", "0"}, "s\ns\n");
  EXPECT_EQ(ranked.code, 0) << ranked.err;
}

TEST(Answers, PromptsThatDoNotFitAreCountedAndMistakesNamed) {
  const testing::Scratch folder;
  const std::string run = testing::chat_run().folder, output = folder.path("a.jsonl").string();
  const std::string prompts = folder.write("p.txt", std::string(300, 'x') + "\nshort\n");
  const Outcome outcome =
      testing::run_kiln({"answers", run, "--prompts", prompts, "--output", output, "--max-tokens", "4"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("no room for an answer to 1 prompt in the context of 256"));
  EXPECT_EQ(lines_of(output).size(), 1u);
  EXPECT_EQ(lines_of(output)[0]["answers"].size(), 4u);
  const Outcome twice = testing::run_kiln({"answers", run, run, "--prompts", prompts, "--output", output});
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("is named twice; --count sets the number of answers"));
  const std::string too_long = folder.write("long.txt", std::string(300, 'x'));
  const Outcome none = testing::run_kiln({"answers", run, "--prompts", too_long, "--output", output});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.err, HasSubstr("no prompt leaves room for an answer"));
}

}  // namespace
}  // namespace kiln
