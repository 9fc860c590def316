// What users give as input: pipes, devices, token files, text that moves, names that are no text.
#include "kiln/core/file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/small_run.h"
#include <array>
#include <cmath>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;
using testing::SmallRun;

/// A line for bash, in which $KILN is the program.
Outcome bash(const std::string& line) { return testing::run({"bash", "-c", "KILN=" KILN_BINARY "; " + line}); }

TEST(Inputs, AConfigMayBeAPipe) {
  const SmallRun run;
  const Outcome outcome = bash(fmt::format("cd {} && $KILN train <(cat {}) --set train.steps=1 --set name=piped",
                                           run.scratch.path().string(), run.config));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(fs::exists(run.scratch.path("runs/piped/config.json")));
}

TEST(Inputs, TextMayBeAPipe) {
  const Scratch scratch;
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ab ab ab ab ac ac ac\n";
  const std::string file = scratch.write("text.txt", text);
  const auto train = [&](const std::string& input, const std::string& output) {
    const Outcome outcome = bash(fmt::format("$KILN tokenizer train --input {} --vocab-size 260 --output {}", input,
                                             scratch.path(output).string()));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return read_file(scratch.path(output));
  };
  EXPECT_EQ(train("<(cat " + file + ")", "piped.json"), train(file, "plain.json"));
}

TEST(Inputs, NoOutputTakesThePlaceOfAPipeOrADevice) {
  const Scratch scratch;
  const fs::path pipe = scratch.path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string text = scratch.write("text.txt", "ab ab ab ab");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"tokenizer", "train", "--input", text, "--vocab-size", "260", "--output", pipe},
        {"new", "--data", text, "--output", pipe, "--overwrite"}}) {
    const Outcome outcome = run_kiln(command);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("is a pipe or a device"));
    EXPECT_TRUE(fs::is_fifo(pipe));
  }
}

TEST(Inputs, TokenFilesNeedTheirTokenizer) {
  const SmallRun run;
  const std::string tokens = run.scratch.write("train.bin", std::string(4000, '\1'));
  const std::string data = "data.train=[\"" + tokens + "\"]";
  for (const char* type : {"bpe", "char"}) {
    const Outcome outcome = run.train({"--set", data, "--set", std::string("tokenizer.type=") + type});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("token files need the tokenizer that made them"));
  }
  const Outcome without = run.train(
      {"--set", data, "--set", "tokenizer={\"type\": \"none\", \"vocab_size\": 300}", "--set", "train.steps=1"});
  EXPECT_EQ(without.code, 0) << without.err;
}

TEST(Inputs, WhatIsHardlyMeantIsWarnedOf) {
  const SmallRun run;
  const auto train = [&](const std::string& name, const std::string& text, const std::string& tokenizer) {
    const std::string file = run.scratch.write(name, text);
    const Outcome outcome = run.train({"--overwrite", "--set", "train.steps=1", "--set", "tokenizer.type=" + tokenizer,
                                       "--set", "data.train=" + file});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.err;
  };
  std::string prose;
  for (int i = 0; i < 200; ++i) prose += "once upon a time\n";
  EXPECT_THAT(train("zero.txt", "once upon a" + std::string(1, '\0') + prose, "bpe"),
              HasSubstr("zero.txt: holds bytes of 0, as text does not (the first is byte 11)"));
  const std::string latin1 = "a caf\xE9 " + prose;
  EXPECT_THAT(train("latin1.txt", latin1, "bpe"), HasSubstr("latin1.txt: byte 5 (0xE9) is not UTF-8"));
  EXPECT_THAT(train("latin1.txt", latin1, "byte"), Not(HasSubstr("is not UTF-8")));
  const std::string made = run.scratch.path("made.json").string(), file = run.scratch.path("latin1.txt").string();
  EXPECT_THAT(run_kiln({"tokenizer", "train", "--input", file, "--vocab-size", "300", "--output", made}).err,
              HasSubstr("latin1.txt: byte 5 (0xE9) is not UTF-8"));
  std::string tales;
  for (int i = 0; i < 200; ++i) tales += "once upon a time\n<|endoftext|>\n";
  EXPECT_THAT(train("tales.txt", tales, "byte"), HasSubstr("holds lines of <|endoftext|>, which are learnt as text"));
}

TEST(Inputs, BytesThatAreNoTextAreForModelsOfBytesOnly) {
  const SmallRun run;
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes += static_cast<char>(i * i % 251);
  const std::string file = run.scratch.write("a.txt", bytes), made = run.scratch.path("made.json").string();
  const auto train = [&](const std::string& tokenizer) {
    return run.train({"--overwrite", "--set", "train.steps=1", "--set", "tokenizer.type=" + tokenizer, "--set",
                      "data.train=" + file});
  };
  EXPECT_EQ(train("byte").code, 0);
  const SmallRun chars;
  ASSERT_EQ(chars.train({"--set", "train.steps=1", "--set", "tokenizer.type=char"}).code, 0);
  const std::string config = run.scratch.path("made_config.json").string();
  for (const Outcome& outcome :
       {train("bpe"), run_kiln({"new", "--init-from", chars.folder, "--data", file, "--output", config}),
        run_kiln({"tokenizer", "train", "--input", file, "--vocab-size", "300", "--output", made})}) {
    EXPECT_EQ(outcome.code, 3);
    EXPECT_THAT(outcome.err, HasSubstr("a.txt: is not text in UTF-8: of its first 2,000 bytes, "));
  }
}

TEST(Inputs, WhatIsNoTextIsRefusedByEveryCommandThatReadsText) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  for (const auto& [name, begin, what] : std::vector<std::array<std::string, 3>>{
           {"a.txt", "\x1F\x8B\x08 and more", "a.txt: is compressed by gzip; text is expected: decompress it"},
           {"b.TXT", "[{\"text\": \"one\"}]",
            "b.TXT: is a JSON array; text is expected: give it a name that ends in .json"},
           {"c.md", "%PDF-1.4", "c.md: is a PDF document; text is expected: extract its text"}}) {
    const std::string file = run.scratch.write(name, begin + std::string(20'000, 'a'));
    const std::string output = run.scratch.path("made.json").string();
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"train", run.config, "--run", run.scratch.path("other").string(), "--set",
                                   "data.train=" + file},
          {"train", run.config, "--run", run.scratch.path("other").string(), "--set", "data.validation=" + file},
          {"new", "--data", file, "--for", "10s", "--output", output},
          {"eval", run.folder, "--data", file},
          {"tokenizer", "train", "--input", file, "--vocab-size", "300", "--output", output}}) {
      const Outcome outcome = run_kiln(command);
      EXPECT_EQ(outcome.code, 3) << command[0] << outcome.err;
      EXPECT_THAT(outcome.err, HasSubstr(what)) << command[0];
    }
    EXPECT_FALSE(fs::exists(output));
  }
}

// The first byte of a text is never a target; nor do tokens between documents stand for bytes.
TEST(Inputs, BitsPerByteCountTheBytesThatWereScored) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1", "--set", "tokenizer.special_tokens=<|endoftext|>"}).code, 0);
  const auto bytes_scored = [&](const std::string& name, const std::string& contents) {
    const std::string file = run.scratch.write(name, contents);
    const Outcome outcome = run_kiln({"eval", run.folder, "--data", file, "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const auto result = nlohmann::json::parse(outcome.out);
    const double nats = result["loss"].get<double>() * result["tokens"].get<double>();
    return nats / std::log(2.0) / result["bits_per_byte"].get<double>();
  };
  EXPECT_NEAR(bytes_scored("two.txt", "ab"), 1, 1e-6);
  EXPECT_NEAR(bytes_scored("documents.jsonl", "{\"text\": \"abc\"}\n{\"text\": \"de\"}\n"), 4, 1e-6);
  EXPECT_NEAR(bytes_scored("ids.bin", std::string("a\0b\0\0\1c\0", 8)), 2, 1e-6);  // a, b, the end of text, c
}

TEST(Inputs, NamesInCapitalsAreReadAsTheirKind) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  const auto tokens_of = [&](const std::string& name, const std::string& bytes) {
    const Outcome outcome = run_kiln({"eval", run.folder, "--data", run.scratch.write(name, bytes), "--json"});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.code == 0 ? nlohmann::json::parse(outcome.out)["tokens"].get<int>() : -1;
  };
  EXPECT_EQ(tokens_of("A.TXT", "one two"), 6);
  EXPECT_EQ(tokens_of("C.JSONL", "{\"text\": \"one two\"}\n"), 6);
  EXPECT_EQ(tokens_of("X.BIN", std::string("o\0n\0e\0", 6)), 2);
  EXPECT_EQ(tokens_of("folder/A.TXT", "one"), 2);
  const Outcome folder = run_kiln({"eval", run.folder, "--data", run.scratch.path("folder").string(), "--json"});
  EXPECT_EQ(folder.code, 0) << folder.err;
  EXPECT_EQ(run_kiln({"plot", run.folder, "--output", run.scratch.path("LOSS.SVG").string()}).code, 0);
}

// The end-of-text token stands between documents; of one document alone no model learns what follows it.
TEST(Inputs, WithoutAPromptAModelOfOneDocumentBeginsALine) {
  const SmallRun run;
  const auto begin = [&](const std::string& text) {
    const std::string file = run.scratch.write("text.txt", text);
    const Outcome outcome =
        run.train({"--overwrite", "--set", "train.steps=1", "--set", "tokenizer.special_tokens=<|endoftext|>", "--set",
                   "data.document_separator=--", "--set", "data.train=" + file});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const std::string checkpoint = run.folder + "/checkpoints/step-00000001/config.json";
    return nlohmann::json::parse(read_file(checkpoint))["bos_token_id"].get<int>();
  };
  std::string one;
  for (int i = 0; i < 100; ++i) one += "one two three\n";
  EXPECT_EQ(begin(one), '\n');
  EXPECT_EQ(begin(one + "--\n" + one), 256);
}

TEST(Inputs, TextThatIsTrainedOnIsNotHeldOut) {
  const SmallRun run;
  const std::string text = run.scratch.write("notes/a.txt", std::string(2000, 'a'));
  const std::string folder = run.scratch.path("notes").string();
  const Outcome outcome = run.train(
      {"--set", "data.train=[\"" + folder + "\"]", "--set", "data.validation=[\"" + folder + "/../notes/a.txt\"]"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("is in data.train too"));
}

TEST(Inputs, TextThatIsThereTwiceIsWarnedOf) {
  const SmallRun run;
  const std::string text(2000, 'a');
  run.scratch.write("notes/a.txt", text);
  run.scratch.write("notes/b.txt", text);
  const std::string copy = run.scratch.write("copy.txt", text);
  const Outcome outcome =
      run.train({"--set", "train.steps=1", "--set", "data.train=" + run.scratch.path("notes").string(), "--set",
                 "data.validation=" + copy});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("training sees some text more often than the rest: 1 of 2 documents"));
  EXPECT_THAT(
      outcome.err,
      HasSubstr(
          "the validation loss says little about other text, because training sees some of the held-out text too: 1 "
          "of 1 document (2.00 kB), such as " +
          copy + ", which repeats " + run.scratch.path("notes/a.txt").string()));
}

TEST(Inputs, ErrorsNameTheFileAndThePlaceInIt) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1", "--set", "tokenizer.type=char"}).code, 0);
  const std::string good = run.scratch.write("notes/a.txt", std::string(2000, 'a'));
  const auto expect = [&](const std::vector<std::string>& command, const std::string& message) {
    const Outcome outcome = run_kiln(command);
    EXPECT_THAT(outcome.code, ::testing::AnyOf(2, 3)) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(message));
  };
  const auto eval = [&](const std::string& file) {
    return std::vector<std::string>{"eval", run.folder, "--data", file};
  };
  const std::string one = run.scratch.write("one_byte.txt", "e");
  expect(eval(one), "error: " + one + ": 1 token, but an evaluation needs at least 2");
  const std::string empty = run.scratch.write("empty.txt", "");
  expect(eval(empty), "error: " + empty + ": 0 tokens, but an evaluation needs at least 2 tokens");
  const std::string unknown = run.scratch.write("unknown.txt", "one two\nthree \u00e9");
  expect(eval(unknown), "error: " + unknown + ": character '\u00e9' (U+00E9) at byte 14 is not among the ");
  const std::string lines = run.scratch.write("b.jsonl", "{\"text\": \"one\"}\n\n{\"text\": \"two Z\"}\n");
  expect(eval(lines), "error: " + lines + ":3: character 'Z' (U+005A) at byte 4 is not among the ");
  expect(eval(run.scratch.path("gone").string()), "error: --data: no file matches ");
  const std::string tokens = run.scratch.write("tokens.bin", std::string(8, '\0'));
  std::vector<std::string> mixed = eval(one);
  mixed.insert(mixed.end(), {"--data", tokens});
  expect(mixed, "error: --data: " + tokens + " is a token file and " + one + " is text");
  const std::string made = run.scratch.path("made.json").string();
  expect({"tokenizer", "train", "--input", tokens, "--vocab-size", "300", "--output", made},
         "error: --input: " + tokens + " is a token file; text is expected here");
  expect({"new", "--data", tokens, "--for", "20s", "--output", made},
         "error: --data: " + tokens + " is a token file; text is expected here");

  const std::string bad = run.scratch.write("notes/b.txt", "once upon a time\n--\nthere was \xFF");
  const auto train = [&](const std::string& type, const std::vector<std::string>& more) {
    std::vector<std::string> command{
        "train", run.config, "--run", run.scratch.path("other").string(), "--set", "tokenizer.type=" + type};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  };
  expect(train("char",
               {"--set", "data.train=" + run.scratch.path("notes").string(), "--set", "data.document_separator=--"}),
         "error: " + bad + ": 0xFF at byte 30 is not UTF-8, which tokenizer.type \"char\" needs");
  const std::string ids = run.scratch.write("ids.txt", "1 2 3\n4 70000 5\n");
  expect(train("none", {"--set", "tokenizer.vocab_size=300", "--set", "data.train=" + ids, "--set",
                        "data.validation=" + ids + ".2"}),
         "data.validation: no file matches");
  expect(train("none", {"--set", "tokenizer.vocab_size=300", "--set", "data.train=" + ids}),
         "error: " + ids + ": token id 70000 at byte 8 is not in the vocabulary; its ids are 0 to 299");
}

TEST(Inputs, TextThatIsTooShortIsRefusedWithItsFile) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  const std::string empty = run.scratch.write("empty.txt", ""), brief = run.scratch.write("brief.txt", "123456789");
  EXPECT_EQ(run_kiln({"eval", run.folder, "--data", empty}).code, 2);
  EXPECT_EQ(run_kiln({"new", "--data", empty, "--output", run.scratch.path("made.json").string()}).code, 2);
  for (const char* type : {"byte", "char", "bpe"}) {
    const Outcome outcome =
        run_kiln({"train", run.config, "--run", run.scratch.path("other").string(), "--set", "data.train=" + empty,
                  "--set", std::string("tokenizer.type=") + type, "--set", "model.n_ctx=8"});
    EXPECT_EQ(outcome.code, 2) << type;
    EXPECT_THAT(outcome.err, HasSubstr("data.train: " + empty +
                                       ": 0 tokens, but a window of 8 tokens and its last "
                                       "target (model.n_ctx 8) needs at least 9 tokens; give more text"));
  }
  const auto short_of = [&](const std::string& n_ctx, const std::string& fraction) {
    return run_kiln({"train", run.config, "--run", run.scratch.path("other").string(), "--set", "data.train=" + brief,
                     "--set", "tokenizer.type=byte", "--set", "model.n_ctx=" + n_ctx, "--set",
                     "data.validation_fraction=" + fraction});
  };
  EXPECT_THAT(short_of("9", "0.1").err, HasSubstr("brief.txt: 9 tokens, but a window of 9 tokens and its last target "
                                                  "(model.n_ctx 9) needs at least 10 tokens"));
}

TEST(Inputs, OneWindowIsSaidInTheSingular) {
  const SmallRun run;
  const std::string text = run.scratch.write("text.txt", std::string(20, 'a'));  // n_ctx is 16
  const Outcome outcome =
      run_kiln({"data", "show", run.config, "--set", "data.train=" + text, "--set", "data.validation_fraction=0"});
  EXPECT_THAT(outcome.out, HasSubstr("-- 1 window in one pass\n")) << outcome.err;
}

TEST(Inputs, AFractionToHoldOutThatLeavesTooLittleIsRefusedWithOneThatFits) {
  const SmallRun run;
  const std::string text = run.scratch.write("text.txt", std::string(100, 'a'));
  const auto error_of = [&](const std::string& fraction, const std::string& n_ctx) {
    const Outcome outcome = run_kiln({"train", run.config, "--run", run.scratch.path("other").string(), "--set",
                                      "data.train=" + text, "--set", "tokenizer.type=byte", "--set",
                                      "model.n_ctx=" + n_ctx, "--set", "data.validation_fraction=" + fraction});
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(error_of("0.9", "63"),
              HasSubstr("data.validation_fraction 0.9: leaves 9 of the 100 tokens of " + text +
                        " to train on, but a window of 63 tokens and its last target (model.n_ctx 63) needs 64; set it "
                        "to at most 0.36"));
  EXPECT_THAT(error_of("0.001", "63"),
              HasSubstr("data.validation_fraction 0.001: holds out 1 of the 100 tokens of " + text +
                        ", but an evaluation needs 2; set it to at least 0.02, or to 0 to hold out nothing"));
  EXPECT_THAT(error_of("0.5", "98"), HasSubstr("needs 99; set it to 0"));
}

TEST(Inputs, TextThatHasMovedIsTrainedOnFurther) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=2"}).code, 0);
  const std::string moved = run.scratch.path("moved.txt").string();
  fs::rename(run.scratch.path("counting.txt"), moved);
  const Outcome outcome = run.train({"--resume", "--set", "train.steps=3", "--set", "data.train=[\"" + moved + "\"]"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("changed since the checkpoint: /data/train"));
}

TEST(Inputs, ARunsNameNeedNotBeText) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  const std::string folder = run.scratch.path("hf").string(), imported = run.scratch.path("b\xff").string();
  ASSERT_EQ(run_kiln({"export", run.folder, "--to", "hf", "--output", folder}).code, 0);
  const Outcome outcome = run_kiln({"import", folder, "--run", imported});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(run_kiln({"verify", imported}).code, 0);
}

TEST(Inputs, AnExportSaysWhatTransformersWillNotInsert) {
  const SmallRun run;
  ASSERT_EQ(
      run.train({"--set", "train.steps=1", "--set", "tokenizer.special_tokens=[\"<|start|>\", \"<|paragraph|>\"]"})
          .code,
      0);
  const Outcome outcome = run_kiln({"export", run.folder, "--to", "hf", "--output", run.scratch.path("hf").string()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("transformers does not insert <|start|> into a prompt"));
  EXPECT_THAT(outcome.err, HasSubstr("transformers does not insert <|paragraph|> into a prompt"));
}

TEST(Inputs, TheTextToInspectMayBeTheNextWord) {
  const SmallRun run;
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  const Outcome word = run_kiln({"inspect", run.folder, "one two"});
  EXPECT_EQ(word.code, 0) << word.err;
  EXPECT_EQ(word.out, run_kiln({"inspect", run.folder, "--prompt", "one two"}).out);
}

TEST(Inputs, AreNotReplacedByAnOutput) {
  const Scratch scratch;
  const SmallRun run;
  const std::string text = "one two three four five six seven eight\n";
  const std::string file = scratch.write("t.txt", text), other = scratch.path("other/../t.txt").string();
  fs::create_directory(scratch.path("other"));
  const auto expect_kept = [&](const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("t.txt: is read here and would be replaced; name another file"));
    EXPECT_EQ(read_file(file), text);
  };
  ASSERT_EQ(run.train({"--set", "train.steps=1"}).code, 0);
  expect_kept(run_kiln({"tokenizer", "train", "--input", file, "--vocab-size", "260", "--output", other}));
  expect_kept(
      run_kiln({"tokenizer", "train", "--input", scratch.path().string(), "--vocab-size", "260", "--output", file}));
  expect_kept(run_kiln({"answers", run.folder, "--prompts", file, "--count", "1", "--output", file}));
  expect_kept(run_kiln({"new", "--data", file, "--for", "1s", "--output", file, "--overwrite"}));
  expect_kept(
      run_kiln({"new", "--init-from", run.folder, "--data", file, "--for", "1s", "--output", file, "--overwrite"}));
  expect_kept(bash(fmt::format("$KILN tokenizer encode {} --to {} < {}", run.folder, file, file)));
}

}  // namespace
}  // namespace kiln
