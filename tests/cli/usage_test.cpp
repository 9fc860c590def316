// How the program is called: help, version, mistakes, and what goes where.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/scratch.h"
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;

const std::vector<std::vector<std::string>> kCommandLines{{"new"},
                                                          {"train"},
                                                          {"sample"},
                                                          {"chat"},
                                                          {"eval"},
                                                          {"plan"},
                                                          {"inspect"},
                                                          {"bench"},
                                                          {"gradcheck"},
                                                          {"import"},
                                                          {"tune", "lr"},
                                                          {"plot"},
                                                          {"runs"},
                                                          {"verify"},
                                                          {"diff"},
                                                          {"export"},
                                                          {"tokenizer"},
                                                          {"completion"},
                                                          {"manual"},
                                                          {"help"},
                                                          {"version"},
                                                          {"tokenizer", "train"},
                                                          {"tokenizer", "encode"},
                                                          {"tokenizer", "decode"},
                                                          {"tokenizer", "info"}};

TEST(Usage, VersionIsAResult) {
  for (const char* word : {"--version", "-v", "version"}) {
    const Outcome outcome = run_kiln({word});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out, "kiln " KILN_VERSION "\n");
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Usage, HelpOfACommandIsWhatItsOwnHelpSays) {
  for (std::vector<std::string> command : kCommandLines) {
    std::vector<std::string> asked = command;
    asked.insert(asked.begin(), "help");
    command.push_back("--help");
    const Outcome outcome = run_kiln(asked);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out, run_kiln(command).out);
  }
  EXPECT_EQ(run_kiln({"help"}).out, run_kiln({"--help"}).out);
  const Outcome wrong = run_kiln({"help", "tokenizer", "trian"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.err, "error: unknown command \"trian\"; did you mean \"train\"?; kiln tokenizer --help lists them\n");
}

TEST(Usage, HelpListsEveryCommand) {
  const Outcome outcome = run_kiln({"--help"});
  EXPECT_EQ(outcome.code, 0);
  for (const auto& command : kCommandLines) EXPECT_THAT(outcome.out, ContainsRegex("  " + command[0] + " +[A-Z]"));
}

TEST(Usage, AGroupWithoutACommandShowsItsHelp) {
  for (const std::vector<std::string>& group : {std::vector<std::string>{}, {"tokenizer"}, {"tune"}}) {
    std::vector<std::string> asked = group;
    asked.push_back("--help");
    const Outcome outcome = run_kiln(group);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, run_kiln(asked).out);
  }
  const Outcome wrong = run_kiln({"tokenizer", "trian"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("error: "));
}

TEST(Usage, EveryCommandHasHelp) {
  for (std::vector<std::string> command : kCommandLines) {
    command.push_back("--help");
    const Outcome outcome = run_kiln(command);
    EXPECT_EQ(outcome.code, 0) << command[0];
    EXPECT_THAT(outcome.out, HasSubstr("Usage: kiln " + command[0])) << command[0];
    EXPECT_EQ(outcome.err, "") << command[0];
    EXPECT_THAT(outcome.out, ::testing::Not(HasSubstr("[]"))) << "an empty default is not shown";
  }
}

TEST(Usage, HelpShowsDefaults) {
  EXPECT_THAT(run_kiln({"tokenizer", "train", "--help"}).out, HasSubstr("=[<|endoftext|>]"));
  EXPECT_THAT(run_kiln({"gradcheck", "--help"}).out, HasSubstr("--entries N=0"));
}

TEST(Usage, MistakesExitTwoAndPrintNothingOnStdout) {
  const std::vector<std::vector<std::string>> mistakes{
      {},                                                    // no command
      {"tarin"},                                             // no such command
      {"plan"},                                              // no config
      {"plan", "configs/gpt3_small.json", "--jsn"},          // no such option
      {"plan", "configs/gpt3_small.json", "--set"},          // no value
      {"plan", "configs/none.json"},                         // no such file
      {"plan", "configs/gpt3_small.json", "--set", "seed"},  // no key=value
      {"gradcheck", "configs/gpt3_small.json", "--entries", "-3"},
      {"eval", "/no/such/run"},
      {"sample", "/no/such/run"},
      {"chat", "/no/such/run"},
      {"diff", "/no/such/run", "/no/such/run"},
      {"inspect", "/no/such/run", "--prompt", "a"},
      {"export", "/no/such/run", "--to", "hf", "--output", "/tmp/no-such-export"},
      {"tokenizer"},
      {"tokenizer", "encode"},
      {"tokenizer", "encode", "--tokenizer", "/no/such/tokenizer.json"},
      {"tokenizer", "train", "--input", "/no/such.txt", "--vocab-size", "300", "--output", "/tmp/t.json"},
      {"completion", "tcsh"},
      {"runs", "/no/such/folder"},
  };
  for (const auto& mistake : mistakes) {
    const Outcome outcome = run_kiln(mistake);
    const std::string line = ::testing::PrintToString(mistake);
    EXPECT_EQ(outcome.code, 2) << line << outcome.err;
    EXPECT_EQ(outcome.out, "") << line;
    EXPECT_NE(outcome.err, "") << line;
  }
}

TEST(Usage, AWholeNumberIsDecimalAndInTheRangeOfItsOption) {
  const std::vector<std::string> sample{"sample", "/no/such/run"}, gradcheck{"gradcheck", "configs/gpt3_small.json"},
      inspect{"inspect", "/no/such/run", "--prompt", "a"}, bench{"bench"}, tune{"tune", "lr", "configs/none.json"},
      tokenizer{"tokenizer", "train", "--input", "/no/such.txt", "--output", "/tmp/t.json"};
  const std::vector<std::pair<std::vector<std::string>, std::string>> numbers{
      {sample, "--seed"},  {sample, "--max-tokens"},    {sample, "--samples"},
      {sample, "--top-k"}, {inspect, "--top"},          {gradcheck, "--entries"},
      {bench, "--steps"},  {tokenizer, "--vocab-size"}, {tune, "--steps"}};
  for (auto [command, option] : numbers) {
    for (const char* value : {"99999999999999999999999", "0x10", "1e3"}) {
      std::vector<std::string> line = command;
      line.insert(line.end(), {option, value});
      const Outcome outcome = run_kiln(line);
      EXPECT_EQ(outcome.code, 2) << option;
      const std::string fault = value[0] == '9' ? " is too large" : " is not a whole number from ";
      EXPECT_THAT(outcome.err, HasSubstr(fmt::format("{}: {}{}", option, value, fault)));
    }
  }
  const auto refusal = [](const std::string& option, const std::string& value) {
    return run_kiln({"sample", "/no/such/run", option, value}).err;
  };
  EXPECT_THAT(refusal("--seed", "-1"), HasSubstr("--seed: -1 is not a whole number from 0 on"));
  EXPECT_THAT(refusal("--samples", "0"), HasSubstr("--samples: 0 is not a whole number from 1 to 1000000"));
  EXPECT_THAT(run_kiln({"bench", "--steps", "0"}).err, HasSubstr("--steps: 0 is not a whole number from 1 to 1000000"));
  EXPECT_THAT(run_kiln({"serve", "--port", "-1"}).err, HasSubstr("--port: -1 is not a whole number from 0 to 65535"));
  EXPECT_THAT(run_kiln({"serve", "--port", "99999"}).err,
              HasSubstr("--port: 99999 is too large; a whole number from 0 to 65535 is expected"));
  EXPECT_THAT(run_kiln({"tune", "lr", "configs/none.json", "--steps", "5"}).err,
              HasSubstr("--steps: 5 is not a whole number from 20 on"));
}

TEST(Usage, AnOptionIsRefusedWithoutWhatItSpeaksOf) {
  for (const auto& [line, need] :
       {std::pair(std::vector<std::string>{"bench", "--set", "train.precision=bf16"},
                  "error: --set needs CONFIG; give both, or leave --set out; kiln bench --help"),
        std::pair(std::vector<std::string>{"plan", "configs/gpt3_small.json", "--network", "1Gb,1us"},
                  "error: --network needs --ranks; give both, or leave --network out"),
        std::pair(std::vector<std::string>{"eval", "/no/such/run", "--document-separator", "x"},
                  "error: --document-separator needs --data; give both"),
        std::pair(std::vector<std::string>{"eval", "/no/such/run", "--include", "*.py"},
                  "error: --include needs --data; give both"),
        std::pair(std::vector<std::string>{"eval", "/no/such/run", "--text-field", "x"},
                  "error: --text-field needs --data; give both")}) {
    const Outcome outcome = run_kiln(line);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr(need));
  }
}

TEST(Usage, AWrongCommandLineIsToldInKilnsWords) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> lines{
      {{"sample"}, "error: RUN is missing: run directory, checkpoint folder"},
      {{"sample", "--xyz"}, "error: unknown option --xyz; kiln sample --help"},
      {{"sample", "r", "--xyz=3"}, "error: unknown option --xyz; kiln sample --help"},
      {{"sample", "r", "--temperature", "warm"}, "error: --temperature: \"warm\" is not a number"},
      {{"sample", "r", "--temperature"}, "error: --temperature needs a value"},
      {{"sample", "r", "--seed", "1", "--seed", "2"}, "error: --seed is given more than once; keep one; kiln sample"},
      {{"sample", "r", "--json=maybe"}, "error: --json takes no value"},
      {{"runs", "--json=5"}, "error: --json takes no value; kiln runs --help"},
      {{"sample", "r", "a", "b", "c"},
       "error: unexpected arguments \"b\", \"c\"; a text of several words needs quotes: 'a b c'; kiln sample --help"},
      {{"inspect", "r", "--prompt", "a", "b"}, "; a text of several words needs quotes: 'a b'; kiln inspect --help"},
      {{"train", "a", "b"}, "error: unexpected argument \"b\"; kiln train --help"},
      {{"sample", "r", "a", "--prompt", "b"},
       "error: --prompt is given more than once; keep one, or use --prompts: file with a prompt on each line"},
      {{"sample", "r", "--prompt", "a", "--prompt-file", "b"}, "exclude each other; give one of them"},
      {{"export", "r"}, "error: --to is missing: hf|gguf|llmc is expected; kiln export --help"},
      {{"diff", "a"}, "error: B is missing: "},
      {{"tokenizer", "train"}, "error: --input is missing: text"},
      {{"tokenizer", "train", "a.txt", "b.txt"},
       "; did you mean \"--input a.txt b.txt\"?; kiln tokenizer train --help"},
      {{"new", "a.txt"}, "error: unexpected argument \"a.txt\"; did you mean \"--data a.txt\"?; kiln new --help"},
      {{"eval", "r", "a.txt"},
       "error: unexpected argument \"a.txt\"; did you mean \"--data a.txt\"?; kiln eval --help"},
      {{"export", "r", "a.gguf", "--to", "gguf"}, "; did you mean \"--output a.gguf\"?; kiln export --help"},
      {{"export", "r", "a.gguf"}, "error: --to is missing: hf|gguf|llmc is expected; kiln export --help"},
      {{"train", "a.json", "--resume", "auto"},
       "error: --resume auto: the value of this option follows an equals sign;"},
      {{"train", "--resume", "auto", "a.json"}, "; write --resume=auto\n"},
      {{"--xyz"}, "error: unknown option --xyz; kiln --help"},
  };
  for (const auto& [line, text] : lines) {
    const Outcome outcome = run_kiln(line);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(text));
  }
}

TEST(Usage, QuietSaysNothingButTheResult) {
  const testing::Scratch scratch;
  const std::string path = scratch.path("t.json").string();
  const Outcome outcome = run_kiln({"tokenizer", "train", "--input", scratch.write("a.txt", "abab abab abab"),
                                    "--vocab-size", "260", "--output", path, "--quiet"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST(Usage, AWrongOptionIsCorrected) {
  for (const std::string option : {"--tempreature", "--tempreature=0.5", "--temp", "--temp=0.5", "-temperature"}) {
    EXPECT_THAT(run_kiln({"sample", "run", option}).err, HasSubstr("; did you mean \"--temperature\"?"));
  }
  EXPECT_THAT(run_kiln({"sample", "run", "--top", "3"}).err, HasSubstr("; did you mean \"--top-k\" or \"--top-p\"?"));
  EXPECT_THAT(run_kiln({"sample", "run", "--xyz"}).err, ::testing::Not(HasSubstr("did you mean")));
}

TEST(Usage, AWrongChoiceIsCorrected) {
  const Outcome outcome = run_kiln({"export", "run", "--to", "gguff", "--output", "x"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--to: \"gguff\" is not one of hf, gguf, llmc; did you mean \"gguf\"?"));
}

TEST(Usage, AWrongCommandOfAGroupIsCorrected) {
  EXPECT_THAT(run_kiln({"tokenizer", "trian"}).err, HasSubstr("unknown command \"trian\"; did you mean \"train\"?"));
}

TEST(Usage, AWrongKeyIsCorrected) {
  const Outcome outcome = run_kiln({"plan", "configs/gpt3_small.json", "--set", "model.n_layer=2"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--set model.n_layer=2: /model/n_layer: unknown key; did you mean \"n_layers\"?"));
}

TEST(Usage, MoreThreadsThanAnyMachineHasAreRefusedWithItsCores) {
  const Outcome outcome = run_kiln({"plan", "configs/gpt3_small.json", "--set", "train.threads=100000"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err,
              ContainsRegex("/train/threads: 100000 is out of range; 0 .one per core. to 1024 is expected, "
                            "and this machine has [0-9,]+ cores?\n"));
}

TEST(Usage, AFullDiskBehindStdoutExitsFive) {
  for (const char* command : {" completion bash", " train --schema", " train --reference"}) {
    const Outcome outcome = testing::run({"sh", "-c", std::string(KILN_BINARY) + command + " > /dev/full"});
    EXPECT_EQ(outcome.code, 5) << command;
    EXPECT_THAT(outcome.err, HasSubstr("stdout: cannot be written: No space left on device"));
  }
}

TEST(Usage, AReaderThatGoesAwayIsNoError) {
  const Outcome outcome = testing::run({"bash", "-c", KILN_BINARY " completion bash | true; echo ${PIPESTATUS[0]}"});
  EXPECT_EQ(outcome.out, "0\n");
  EXPECT_EQ(outcome.err, "");
}

}  // namespace
}  // namespace kiln
