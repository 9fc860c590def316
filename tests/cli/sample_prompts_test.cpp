// kiln sample with several prompts, and beyond the context.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include "support/compress.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::SmallRun;

/// A trained run with a context of 16 bytes.
const SmallRun& run_to_prompt() {
  static const SmallRun run;
  static const Outcome outcome = run.train();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return run;
}

Outcome sample(std::vector<std::string> more, const std::string& input = "") {
  more.insert(more.begin(), {"sample", run_to_prompt().folder});
  return run_kiln(more, input);
}

std::string text_alone(const std::string& prompt, const std::vector<std::string>& options) {
  std::vector<std::string> command{"--prompt", prompt, "--json"};
  command.insert(command.end(), options.begin(), options.end());
  const Outcome outcome = sample(command);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json::parse(outcome.out)[0]["text"];
}

TEST(SamplePrompts, OfALineEachAreContinuedAsEachByItself) {
  const std::string file = run_to_prompt().scratch.write("prompts.txt", "one\n\ntwo three four\r\nfive six\n");
  const std::vector<std::string> options{"--max-tokens", "12", "--seed", "4"};
  std::vector<std::string> command{"--prompts", file, "--json"};
  command.insert(command.end(), options.begin(), options.end());
  const Outcome outcome = sample(command);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json samples = json::parse(outcome.out);
  ASSERT_EQ(samples.size(), 3u);
  std::size_t i = 0;
  for (const char* prompt : {"one", "two three four", "five six"}) {
    EXPECT_EQ(samples[i]["prompt"], prompt);
    EXPECT_EQ(samples[i++]["text"], text_alone(prompt, options));
  }
}

TEST(SamplePrompts, OfJsonLinesHaveAField) {
  const std::string lines = "{\"prompt\": \"one\\ntwo\"}\n{\"prompt\": \"three\", \"id\": 7}\n";
  const std::string file = run_to_prompt().scratch.write("prompts.jsonl", lines);
  const Outcome outcome = sample({"--prompts", file, "--max-tokens", "3", "--samples", "2", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json samples = json::parse(outcome.out);
  ASSERT_EQ(samples.size(), 4u);
  EXPECT_EQ(samples[1]["prompt"], "one\ntwo");
  EXPECT_EQ(samples[2]["prompt"], "three");
  EXPECT_NE(samples[2]["ids"], samples[3]["ids"]);
}

TEST(SamplePrompts, ThatAreCompressedAreReadAsText) {
  const testing::Scratch& scratch = run_to_prompt().scratch;
  const std::vector<std::string> options{"--max-tokens", "3", "--json"};
  for (const std::string name : {"p.txt.gz", "p.jsonl.gz", "p.txt.zst"}) {
    const std::string lines = name == "p.jsonl.gz" ? "{\"prompt\": \"one\"}\n" : "one\n";
    const std::string file = scratch.write(name, name.ends_with(".gz") ? testing::gzip(lines) : testing::zstd(lines));
    std::vector<std::string> command{"--prompts", file};
    command.insert(command.end(), options.begin(), options.end());
    EXPECT_EQ(json::parse(sample(command).out)[0]["prompt"], "one") << name;
  }
  const std::string file = scratch.write("one.txt.gz", testing::gzip("one two"));
  EXPECT_EQ(json::parse(sample({"--prompt-file", file, "--max-tokens", "3", "--json"}).out)[0]["prompt"], "one two");
}

TEST(SamplePrompts, AreNamedAboveTheirSamples) {
  const Outcome one_each = sample({"--prompts", "-", "--max-tokens", "2"}, "a\nb\n");
  EXPECT_THAT(one_each.out, HasSubstr("=== prompt 2 of 2 ===\n"));
  const Outcome two_each = sample({"--prompts", "-", "--max-tokens", "2", "--samples", "2"}, "a\nb\n");
  EXPECT_THAT(two_each.out, HasSubstr("=== prompt 2 of 2, sample 1 of 2 ===\n"));
}

TEST(SamplePrompts, ThatCannotBeReadAreRefused) {
  const auto expect_refusal = [](const Outcome& outcome, const char* message, int code = 3) {
    EXPECT_EQ(outcome.code, code);
    EXPECT_THAT(outcome.err, HasSubstr(message));
  };
  expect_refusal(sample({"--prompts", "-"}, "\n\n"), "-: no prompts; write one on each line");
  const std::string file = run_to_prompt().scratch.write("wrong.jsonl", "{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n");
  expect_refusal(sample({"--prompts", file}), "wrong.jsonl:2: an object with the prompt as a string is expected");
  expect_refusal(sample({"--prompts", "-", "--prompt", "a"}, "a\n"), "--prompt", 2);
  const Outcome no_text = sample({"--prompts", run_to_prompt().scratch.write("p.pdf", "%PDF-1.7 and more")});
  EXPECT_EQ(no_text.code, 3);
  EXPECT_THAT(no_text.err, HasSubstr("p.pdf: is a PDF document; text is expected: extract its text"));
  EXPECT_NE(sample({"--prompts", ""}).code, 0);                                       // an unset variable of a shell
  EXPECT_NE(sample({"--prompts", run_to_prompt().scratch.path().string()}).code, 0);  // a folder
}

TEST(SamplePrompts, LongerThanTheContextAreCountedInOneWarning) {
  const std::string longer(40, 'x');
  const Outcome outcome =
      sample({"--prompts", "-", "--max-tokens", "2"}, "\xEF\xBB\xBF" + longer + "\n" + longer + "\nb");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("2 of 3 prompts are longer than the model's context of 16"));
  EXPECT_THAT(outcome.out, HasSubstr("=== prompt 3 of 3 ==="));
}

TEST(SampleCommand, TakesTheLargestCountOfTokens) {
  const Outcome outcome =
      sample({"one", "--max-tokens", "9223372036854775807", "--context-overflow", "stop", "--json", "--greedy"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out)[0]["tokens"], 14);
  EXPECT_EQ(text_alone("one", {"--max-tokens", "1", "--seed", "3"}),
            text_alone("one", {"--max-tokens", "20", "--seed", "3"}).substr(0, 1));
}

TEST(SampleCommand, EndsForgetsOrRecomputesWhereTheContextIsFull) {
  const auto sampled = [](const char* overflow) {
    const Outcome outcome =
        sample({"one two", "--greedy", "--max-tokens", "40", "--context-overflow", overflow, "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return json::parse(outcome.out)[0];
  };
  const json half = sampled("half"), recomputed = sampled("recompute"), stopped = sampled("stop");
  EXPECT_EQ(half["tokens"], 40);
  EXPECT_EQ(recomputed["tokens"], 40);
  EXPECT_EQ(stopped["tokens"], 10);  // 7 of the 16 positions are the prompt's; the last token needs none
  EXPECT_EQ(stopped["finish_reason"], "length");
  const std::string within = stopped["text"];
  EXPECT_EQ(half["text"].get<std::string>().substr(0, within.size()), within);
  EXPECT_EQ(recomputed["text"].get<std::string>().substr(0, within.size()), within);
}

}  // namespace
}  // namespace kiln
