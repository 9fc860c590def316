// Arguments that several commands take alike: files, prompts, tokenizers, --json and --quiet.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cli/small_run.h"
#include <string>

namespace kiln {
namespace {

using nlohmann::json;
using testing::counting_text;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;
using testing::SmallRun;

/// One run for all tests, which only read it.
const SmallRun& trained() {
  static const SmallRun run;
  static const Outcome outcome = run.train({"--set", "train.steps=1"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return run;
}

json result_of(const std::vector<std::string>& command, std::string_view input = "") {
  const Outcome outcome = run_kiln(command, input);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  return json::parse(outcome.out);
}

TEST(EvalCommand, TakesSeveralFilesAtOnce) {
  const Scratch scratch;
  const std::string run = trained().folder, one = scratch.write("one.txt", counting_text(3)),
                    two = scratch.write("two.txt", counting_text(5));
  const json each = result_of({"eval", run, "--data", one, "--data", two, "--json"})["tokens"];
  EXPECT_EQ(result_of({"eval", run, "--data", one, two, "--json"})["tokens"], each);
  EXPECT_EQ(result_of({"eval", "--json", run, "--data", one, two})["tokens"], each);
  EXPECT_LT(result_of({"eval", "--data", one, run, "--json"})["tokens"], each);  // the next word is RUN
  EXPECT_EQ(run_kiln({"eval", run, one}).code, 2);                               // what is it?
}

TEST(SampleCommand, APromptFromStdinLosesTheLineEndOfEcho) {
  const std::vector<std::string> sample{"sample", trained().folder, "--max-tokens", "8", "--json"};
  const auto continued = [&](const std::vector<std::string>& prompt, std::string_view input = "") {
    std::vector<std::string> command = sample;
    command.insert(command.end(), prompt.begin(), prompt.end());
    return result_of(command, input);
  };
  const json expected = continued({"one two"});
  EXPECT_EQ(continued({"-"}, "one two\n"), expected);
  EXPECT_EQ(continued({"-"}, "one two"), expected);
  EXPECT_EQ(continued({"-"}, "one two\r\n"), expected);
  EXPECT_EQ(continued({"-"}, "one two\r")[0]["prompt"], "one two\r");
  EXPECT_EQ(continued({"--prompt", "-"}, "one two\n"), expected);
  EXPECT_EQ(continued({"-"}, "one two\n\n")[0]["prompt"], "one two\n");  // one line feed, no more
  EXPECT_EQ(continued({"--prompt-file", "-"}, "one two\n")[0]["prompt"], "one two\n");
}

TEST(SampleCommand, JsonTellsIdsAndWhatTheModelGaveEachOfThem) {
  const std::string run = trained().folder;
  const json sample = result_of({"sample", run, "one", "--max-tokens", "6", "--json", "--temperature", "0.5", "--top-k",
                                 "40", "--repetition-penalty", "1.3", "--seed", "3"})[0];
  ASSERT_EQ(sample["ids"].size(), 6u);
  ASSERT_EQ(sample["logprobs"].size(), 6u);
  EXPECT_EQ(sample["tokens"], 6);
  // the byte tokenizer's ids are bytes: the drawn text after the prompt, asked of the model by inspect
  std::string ids = "111 110 101";
  for (const json& id : sample["ids"]) ids += " " + id.dump();
  const Outcome text = run_kiln({"tokenizer", "decode", run}, ids);
  const json predictions = result_of({"inspect", run, text.out, "--json"});
  ASSERT_EQ(predictions.size(), 3u + 6u - 1u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(sample["ids"][i], predictions[2 + i]["token"]["id"]);
    EXPECT_NEAR(sample["logprobs"][i].get<double>(), -predictions[2 + i]["loss"].get<double>(), 1e-4) << i;
  }
}

TEST(InspectCommand, TheTextMayComeFromStdin) {
  const std::string run = trained().folder;
  EXPECT_EQ(run_kiln({"inspect", run, "-"}, "one two\n").out, run_kiln({"inspect", run, "one two"}).out);
}

TEST(TokenizerCommand, TheTokenizerMayBeTheNextWord) {
  const std::string run = trained().folder;
  EXPECT_EQ(run_kiln({"tokenizer", "info", run}).out, run_kiln({"tokenizer", "info", "--tokenizer", run}).out);
  EXPECT_EQ(run_kiln({"tokenizer", "encode", run}, "one").out,
            run_kiln({"tokenizer", "encode", "--tokenizer", run}, "one").out);
  EXPECT_EQ(run_kiln({"tokenizer", "info", run}).code, 0);
}

TEST(ExportCommand, TellsWhatItWroteAsJsonAndIsQuietWhereAsked) {
  const Scratch scratch;
  const std::string output = scratch.path("hf").string();
  const Outcome quiet =
      run_kiln({"export", trained().folder, "--to", "hf", "--output", scratch.path("quiet").string(), "--quiet"});
  EXPECT_EQ(quiet.code, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");
  const json report = result_of({"export", trained().folder, "--to", "hf", "--output", output, "--json"});
  EXPECT_EQ(report["output"], output);
  EXPECT_EQ(report["format"], "hf");
  EXPECT_EQ(report["dtype"], "f32");
  EXPECT_GT(report["parameters"], 0);
  EXPECT_GT(report["bytes"], report["parameters"]);
}

TEST(ImportCommand, TellsWhatItMadeAsJsonAndIsQuietWhereAsked) {
  const Scratch scratch;
  const std::string run = scratch.path("imported").string();
  const json report = result_of({"import", trained().folder, "--run", run, "--json"});
  EXPECT_EQ(report["run"], run);
  EXPECT_TRUE(path_exists(report["checkpoint"].get<std::string>()));
  EXPECT_EQ(report["tokenizer"], "byte");
  EXPECT_GT(report["parameters"], 0);
  const Outcome quiet = run_kiln({"import", trained().folder, "--run", run, "--overwrite", "--quiet"});
  EXPECT_EQ(quiet.code, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");
}

}  // namespace
}  // namespace kiln
