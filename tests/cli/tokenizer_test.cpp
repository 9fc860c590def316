// kiln tokenizer: bytes in, ids out, and back; and files that are not what they should be.
#include "kiln/core/file.h"
#include "kiln/core/rng.h"
#include "kiln/data/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/process.h"
#include "support/scratch.h"
#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using testing::Scratch;

std::string random_bytes(std::size_t count) {
  Rng rng(7, "bytes");
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(rng.below(256));
  return bytes;
}

/// A trained tokenizer in the scratch folder.
std::string train(const Scratch& scratch, const std::vector<std::string>& more = {}) {
  std::string text;
  for (int i = 0; i < 50; ++i) text += "the cat sat on the mat, the rat sat on the cat\n";
  std::string path = scratch.path("tokenizer.json").string();
  std::vector<std::string> arguments{"tokenizer",    "train", "--input",  scratch.write("text.txt", text),
                                     "--vocab-size", "265",   "--output", path};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome outcome = run_kiln(arguments);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  return path;
}

Outcome encode(const std::string& tokenizer, const std::string& text, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments{"tokenizer", "encode", "--tokenizer", tokenizer};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_kiln(arguments, text);
}

Outcome decode(const std::string& tokenizer, const std::string& ids, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments{"tokenizer", "decode", "--tokenizer", tokenizer};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_kiln(arguments, ids);
}

TEST(TokenizerCommand, EncodesAndDecodesByteForByte) {
  const Scratch scratch;
  const std::string tokenizer = train(scratch);
  for (const std::string& text :
       {random_bytes(100'000), std::string("the cat\n"), std::string("\n\n the"), std::string()}) {
    const Outcome ids = encode(tokenizer, text);
    ASSERT_EQ(ids.code, 0) << ids.err;
    const Outcome back = decode(tokenizer, ids.out);
    ASSERT_EQ(back.code, 0) << back.err;
    EXPECT_TRUE(back.out == text) << text.size() << " bytes";  // random bytes are no sight for a terminal
    const Outcome json = encode(tokenizer, text, {"--json"});
    EXPECT_TRUE(nlohmann::json::parse(json.out).is_array());
    EXPECT_TRUE(decode(tokenizer, json.out, {"--json"}).out == text);
  }
}

TEST(TokenizerCommand, SeparatesIdsBySpacesAndAddsNoNewline) {
  const Scratch scratch;
  const std::string tokenizer = train(scratch);
  EXPECT_EQ(encode(tokenizer, "!\"#").out, "0 1 2");  // GPT-2's order of the bytes
  EXPECT_EQ(encode(tokenizer, "!\"#", {"--json"}).out, "[0,1,2]");
  EXPECT_EQ(encode(tokenizer, "").out, "");
  EXPECT_EQ(encode(tokenizer, "", {"--json"}).out, "[]");
  EXPECT_EQ(decode(tokenizer, " 0\n1\t2\n").out, "!\"#");
}

TEST(TokenizerCommand, TrainsWithTheSpecialTokensAskedFor) {
  const Scratch scratch;
  const std::string tokenizer =
      train(scratch, {"--special", "[CLS]", "--special", "<|endoftext|>", "--pattern", "cl100k"});
  const Outcome outcome = run_kiln({"tokenizer", "info", "--tokenizer", tokenizer, "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json info = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(info["type"], "bpe");
  EXPECT_EQ(info["vocab_size"], 265);
  EXPECT_EQ(info["merges"], 7);
  EXPECT_EQ(info["pattern"], "cl100k");
  ASSERT_EQ(info["special_tokens"].size(), 2u);
  EXPECT_EQ(info["special_tokens"][0]["content"], "[CLS]");
  EXPECT_EQ(info["special_tokens"][1]["id"], 264);
  EXPECT_GE(info["longest_tokens"][0]["length_bytes"], info["longest_tokens"][9]["length_bytes"]);
}

TEST(TokenizerCommand, TrainingReportsAsJsonAlone) {
  const Scratch scratch;
  const std::string path = scratch.path("t.json").string();
  const Outcome outcome = run_kiln({"tokenizer", "train", "--input", scratch.write("a.txt", "abab abab abab"),
                                    "--vocab-size", "260", "--output", path, "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json["output"], path);
  EXPECT_EQ(json["type"], "bpe");
  EXPECT_EQ(json["vocab_size"], 260);
  EXPECT_EQ(json["merges"], 3);
}

TEST(TokenizerCommand, InfoIsReadable) {
  const Scratch scratch;
  const Outcome outcome = run_kiln({"tokenizer", "info", "--tokenizer", train(scratch)});
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("vocab_size +265\n"));
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("\"<\\|endoftext\\|>\" +264\n"));
  EXPECT_THAT(outcome.out, ::testing::ContainsRegex("Longest tokens\n.* [0-9]+ +[0-9]+ bytes\n"));
}

/// The ids as uint16, little-endian.
std::string as_uint16(const std::string& json) {
  std::string bytes;
  for (const int id : nlohmann::json::parse(json).get<std::vector<int>>()) {
    bytes += static_cast<char>(id & 0xFF);
    bytes += static_cast<char>(id >> 8);
  }
  return bytes;
}

TEST(TokenizerCommand, EncodesToTokenFilesOfLlmcAndNanoGpt) {
  const Scratch scratch;
  const std::string tokenizer = train(scratch), text = "the cat\nsat on the mat<|endoftext|>";
  for (const bool special : {false, true}) {
    std::vector<std::string> more;
    if (special) more.push_back("--allow-special");
    const auto with = [&](std::vector<std::string> options) {
      options.insert(options.end(), more.begin(), more.end());
      return encode(tokenizer, text, options);
    };
    const std::string ids = as_uint16(with({"--json"}).out);
    const std::string path = scratch.path("tokens.bin").string();
    Outcome outcome = with({"--to", path});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(std::to_string(ids.size() / 2) + " tokens"));
    const std::string llmc = read_file(path);
    EXPECT_EQ(llmc.substr(1024), ids);
    std::array<std::int32_t, 8> header{};
    std::memcpy(header.data(), llmc.data(), sizeof header);
    EXPECT_EQ(header[0], 20240520);
    EXPECT_EQ(header[1], 1);
    EXPECT_EQ(static_cast<std::size_t>(header[2]), ids.size() / 2);
    EXPECT_EQ(header[4], special ? 22 : 35) << "bytes of text, of which a special token has none";
    EXPECT_TRUE(TokenFile(path).is_intact());

    outcome = with({"--to", path, "--format", "nanogpt"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(read_file(path), ids);
    EXPECT_EQ(TokenFile(path).size(), std::ssize(ids) / 2);
  }
}

/// Row 21, and what nanoGPT's format cannot hold.
TEST(TokenizerCommand, VocabulariesBeyondUint16) {
  const Scratch scratch;
  nlohmann::json vocab;  // an ordered one looks through all keys for each
  for (int id = 0; id <= 65536; ++id) vocab[std::to_string(id)] = id;
  const nlohmann::json json{{"added_tokens", nlohmann::json::array()},
                            {"model", {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", nullptr}}}};
  const std::string tokenizer = scratch.write("t.json", json.dump()), path = scratch.path("tokens.bin").string();
  const Outcome refused = encode(tokenizer, "65536 7", {"--to", path, "--format", "nanogpt"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("a vocabulary of 65,537 ids does not fit nanoGPT's files"));
  EXPECT_FALSE(std::filesystem::exists(path));
  const Outcome outcome = encode(tokenizer, "65536 7", {"--to", path});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const TokenFile file(path);
  EXPECT_EQ(file[0], 65536);
  EXPECT_EQ(file[1], 7);
}

TEST(TokenizerCommand, RefusesPlacesAndOptionsThatDoNotFit) {
  const Scratch scratch;
  const std::string tokenizer = train(scratch), path = scratch.path("tokens.bin").string();
  const auto expect_refused = [&](const std::vector<std::string>& options, const std::string& part) {
    const Outcome outcome = encode(tokenizer, "the cat", options);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr(part));
  };
  expect_refused({"--to", path + "/x"}, "--to " + path + "/x: there is no folder");
  expect_refused({"--to", scratch.path().string()}, "is a folder; name the file, as in tokens.bin");
  expect_refused({"--to", path, "--json"}, "--json");
  expect_refused({"--format", "nanogpt"}, "--to");
  expect_refused({"--to", path, "--format", "gpt"}, "--format");
}

TEST(TokenizerCommand, SaysWhenTheTextIsTooPoor) {
  const Scratch scratch;
  const Outcome outcome = run_kiln({"tokenizer", "train", "--input", scratch.write("a.txt", "abab"), "--vocab-size",
                                    "1000", "--output", scratch.path("t.json").string()});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("fewer entries than --vocab-size 1000"));
}

TEST(TokenizerCommand, RefusesWhatItCannotTrainOrDecode) {
  const Scratch scratch;
  const std::string text = scratch.write("a.txt", "text");
  Outcome outcome = run_kiln({"tokenizer", "train", "--input", text, "--vocab-size", "100", "--output", "t.json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err,
              HasSubstr("--vocab-size 100: at least 257 is expected: the 256 bytes and the special tokens"));
  outcome = run_kiln({"tokenizer", "train", "--input", text, "--vocab-size", "300", "--output", text + "/t.json"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("there is no folder"));

  outcome = run_kiln({"tokenizer", "train", "--input", text, "--vocab-size", "300", "--output",
                      scratch.path("t.json").string(), "--special", "\xff!"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--special <0xFF>\"!\": is not UTF-8"));
  const auto with_special = [&](const std::string& first, const std::string& second) {
    return run_kiln({"tokenizer", "train", "--input", text, "--vocab-size", "300", "--output",
                     scratch.path("t.json").string(), "--special", first, "--special", second});
  };
  outcome = with_special("<a>", "");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("error: --special: is empty; give every special token some text"));
  EXPECT_THAT(with_special("<a>", "<a>").err, HasSubstr("error: --special \"<a>\": is given twice; keep one"));

  const std::string tokenizer = train(scratch);
  outcome = decode(tokenizer, "1 2 three");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              HasSubstr("\"three\" at byte 4 is not a token id; ids separated by spaces are expected on stdin"));
  EXPECT_THAT(decode(tokenizer, "1 265").err, HasSubstr("token id 265 is not in the vocabulary; its ids are 0 to 264"));
  EXPECT_THAT(decode(tokenizer, "[1, -2]", {"--json"}).err, HasSubstr("stdin: -2 at /1 is not a token id"));
  EXPECT_EQ(decode(tokenizer, "{}", {"--json"}).code, 2);
}

// ---- faults and bad input ----

TEST(Faults, InvalidTextKeepsItsBytes) {
  const Scratch scratch;
  const std::string tokenizer = train(scratch);
  using namespace std::string_literals;
  for (const std::string& text :
       {"\xEF\xBB\xBFwith a BOM"s, "CR\r\nLF\r\n"s, "NUL\0NUL"s, "\xFF\xC0\x80\xED\xA0\x80"s}) {
    EXPECT_TRUE(decode(tokenizer, encode(tokenizer, text).out).out == text);
  }
}

TEST(Faults, AMillionSpacesAndALongLineTakeLinearTimeAndMemory) {
  const Scratch scratch;
  const std::string tokenizer = train(scratch);
  for (const std::string& text : {std::string(1'000'000, ' '), std::string(4'000'000, 'x')}) {
    const Outcome outcome = encode(tokenizer, text);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_LT(outcome.peak_bytes, (64u << 20) + 20 * text.size() + testing::kSanitizerBytes);
    EXPECT_TRUE(decode(tokenizer, outcome.out).out == text);
  }
}

TEST(Faults, SpecialTokensInTextAreTextUnlessAllowed) {
  const Scratch scratch;
  const std::string tokenizer = train(scratch);
  const std::string text = "cat<|endoftext|>";
  EXPECT_THAT(encode(tokenizer, text).out, ::testing::Not(::testing::EndsWith("264")));
  EXPECT_THAT(encode(tokenizer, text, {"--allow-special"}).out, ::testing::EndsWith(" 264"));
  EXPECT_EQ(decode(tokenizer, encode(tokenizer, text).out).out, text);
}

/// A folder with GPT-2's two files: the bytes, "he" and these lines of merges.
std::string vocab_and_merges(const Scratch& scratch, const std::string& more_vocab, const std::string& merges) {
  const std::string tokenizer = train(scratch);
  const nlohmann::json trained = nlohmann::json::parse(read_file(tokenizer));
  nlohmann::json vocab = nlohmann::json::object();
  for (const auto& [token, id] : trained["model"]["vocab"].items()) {
    if (id < 256) vocab[token] = id;
  }
  vocab["he"] = 256;
  std::string text = vocab.dump();
  text.insert(text.size() - 1, more_vocab);
  scratch.write("gpt2/vocab.json", text);
  scratch.write("gpt2/merges.txt", "#version: 0.2\n" + merges);
  return scratch.path("gpt2").string();
}

void expect_bad_input(const std::string& tokenizer, const std::vector<std::string>& parts) {
  const Outcome outcome = encode(tokenizer, "he");
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  for (const std::string& part : parts) EXPECT_THAT(outcome.err, HasSubstr(part));
  EXPECT_LT(outcome.peak_bytes, (50u << 20) + testing::kSanitizerBytes);
}

TEST(Faults, BadMergesExitThreeWithTheLine) {
  const Scratch scratch;
  EXPECT_EQ(encode(vocab_and_merges(scratch, "", "h e\n"), "he").out, "256");
  expect_bad_input(vocab_and_merges(scratch, "", "h e\nonly-one\n"), {"merges.txt:3"});
  expect_bad_input(vocab_and_merges(scratch, "", "h e\nh e\n"), {"merges.txt:3"});
  expect_bad_input(vocab_and_merges(scratch, "", "h e\nhe r\n"), {"merges.txt:3", "her"});
}

TEST(Faults, BadIdsInVocabJsonExitThree) {
  const Scratch scratch;
  for (const char* entry : {R"(,"x1":256)", R"(,"x1":-1)", R"(,"x1":4000000000000)", R"(,"x1":300)", R"(,"he":257)"}) {
    expect_bad_input(vocab_and_merges(scratch, entry, "h e\n"), {"vocab.json"});
  }
}

}  // namespace
}  // namespace kiln
