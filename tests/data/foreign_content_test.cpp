// What is no text is refused by its first bytes, whatever its name; what merely resembles it is text.
#include "kiln/data/corpus.h"
#include "kiln/data/token_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "data/small_data.h"
#include "support/scratch.h"
#include <utility>

namespace kiln {
namespace {

using namespace std::string_literals;

using ::kiln::testing::config_of;
using ::kiln::testing::expect_error;
using ::kiln::testing::Scratch;
using ::testing::ElementsAre;

const std::string kTable =
    "; text is expected: write its text to a .jsonl file, one object with a field \"text\" a "
    "line, and name that";

/// Contents, and the end of the message that refuses them as text.
const std::vector<std::pair<std::string, std::string>> kForeign{
    {"\x1F\x8B\x08\0abc"s,
     "is compressed by gzip; text is expected: decompress it (gzip -dc < FILE > NEW) and name the result"},
    {"\x28\xB5\x2F\xFD abc",
     "is compressed by zstd; text is expected: decompress it (zstd -dc < FILE > NEW) and name the result"},
    {"\xFD\x37zXZ\0abc"s,
     "is compressed by xz; text is expected: decompress it (xz -dc < FILE > NEW) and name the result"},
    {"BZh91AY&SYabc",
     "is compressed by bzip2; text is expected: decompress it (bzip2 -dc < FILE > NEW) and name the result"},
    {"PK\3\4abc",
     "is a zip archive (as .docx, .epub, .npz and PyTorch's files are); text is expected: unpack it and name the text "
     "that is in it"},
    {std::string(257, 'a') + "ustar\0"s,
     "is a tar archive; text is expected: unpack it (tar -xf FILE) and name the text that is in it"},
    {"PAR1abcdefghPAR1", "is a Parquet table" + kTable},
    {"PAR1\x15\0\x15 cut short"s, "is a Parquet table" + kTable},
    {"Obj\1\4abc", "is an Avro table" + kTable},
    {"SQLite format 3\0abc"s, "is an SQLite database" + kTable},
    {"\x10\0\0\0\0\0\0\0{\"a\":1}         and weights"s,
     "is a model in safetensors; text is expected: name the text to read, not the model"},
    {"GGUF\3\0\0\0abc"s, "is a model in GGUF; text is expected: name the text to read, not the model"},
    {"\xC6\xD7\x34\x01 abc", "is a model file of llm.c; text is expected: name the text to read, not the model"},
    {"%PDF-1.7 abc", "is a PDF document; text is expected: extract its text (pdftotext FILE) and name that"},
    {"{\\rtf1\\ansi abc}", "is a document in RTF; text is expected: save it as plain text (UTF-8) and name that"},
    {"\xFF\xFE"
     "a\0b\0"s,
     "is UTF-16; text is expected: convert it (iconv -f UTF-16 -t UTF-8 FILE) and name the result"},
    {"\xFE\xFF\0a\0b"s, "is UTF-16; text is expected: convert it (iconv -f UTF-16 -t UTF-8 FILE) and name the result"},
    {"\xFF\xFE\0\0a\0\0\0"s,
     "is UTF-32; text is expected: convert it (iconv -f UTF-32 -t UTF-8 FILE) and name the result"},
    {"O\0n\0c\0e\0 \0u\0p\0o\0n\0"s,
     "is UTF-16; text is expected: convert it (iconv -f UTF-16LE -t UTF-8 FILE) and name the result"},
    {"\0O\0n\0c\0e\0 \0u\0p\0o\0n"s,
     "is UTF-16; text is expected: convert it (iconv -f UTF-16BE -t UTF-8 FILE) and name the result"},
    {"\x3E\x54\x29\x8F\x6F\x30\x2B\x73\x67\x30\x42\x30\x8B\x30\n\0\r\0\n\0"s,
     "is UTF-16; text is expected: convert it (iconv -f UTF-16LE -t UTF-8 FILE) and name the result"},
    {"\xEF\xBB\xBF[\n  {\"text\": \"one\"}\n]\n",
     "is a JSON array; text is expected: give it a name that ends in .json"},
    {"\x88\xD8\x34\x01 abc", "is a token file; text is expected: give it a name that ends in .bin"},
};

TEST(ForeignContent, IsRefusedWhateverTheNameSays) {
  Scratch scratch;
  for (const auto& [contents, message] : kForeign) {
    for (const char* name : {"a.txt", "a.jsonl", "a"}) {
      const std::string file = scratch.write(name, contents);
      std::string expected = fmt::format("{}: {}", file, message);
      if (file.ends_with(".jsonl")) {
        const bool is_array = expected.find("is a JSON array") != std::string::npos;
        const std::string_view was = "text is expected";
        expected.replace(expected.find(was), was.size(), is_array ? "JSON Lines are expected" : "JSON is expected");
      }
      expect_error(ExitCode::bad_input, expected, [&] { Corpus corpus(config_of({file})); });
    }
  }
}

TEST(ForeignContent, JsonIsToldByTheNameWhereProseMayBeginSo) {
  Scratch scratch;
  const auto expect_bad = [&](const char* name, const std::string& contents, const std::string& message) {
    const std::string file = scratch.write(name, contents);
    expect_error(ExitCode::bad_input, fmt::format("{}: {}", file, message), [&] { Corpus corpus(config_of({file})); });
  };
  expect_bad(
      "a.JSON", "[\"one\", \"two\"]",
      "is a JSON array without objects; text is expected: make an object of each text (jq '[.[] | {text: .}]' FILE > "
      "NAME.json) and name that");
  expect_bad("a.ndjson", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n",
             "is JSON Lines; text is expected: give it a name that ends in .jsonl");
}

TEST(ForeignContent, WhatResemblesItIsText) {
  Scratch scratch;
  for (const std::string& text :
       {"[Illustration: a whale]\nCall me Ishmael."s, "[\"Hello,\" she said.]"s, "{curly} words"s, "GGUF is a format."s,
        "PAR1 was the first of two."s, "PK was here"s, "\x1F\x8B"s, "\xEF\xBB\xBFtext"s, "a\0b\0c\0"s,
        "one\0two\0three\0four\0five\0"s, "\xE9t\xE9\0caf\xE9\0no\xEBl\0\xE9lan\0"s, std::string(64, '\0'),
        "{\n  \"name\": \"kiln\"\n}\n"s, "12345678{\"a\""s}) {
    EXPECT_THAT(Corpus(config_of({scratch.write("a.txt", text)})).train(), ElementsAre(text)) << text;
  }
  const std::string object = "{\n  \"name\": \"kiln\"\n}\n";
  EXPECT_THAT(Corpus(config_of({scratch.write("a.json", object)})).train(), ElementsAre(object));
}

TEST(ForeignContent, IsNoTokenFileEither) {
  Scratch scratch;
  const auto expect_bad = [&](const std::string& contents, const std::string& message) {
    const std::string file = scratch.write("a.bin", contents);
    expect_error(ExitCode::bad_input, fmt::format("{}: {}", file, message),
                 [&] { TokenFile tokens(std::filesystem::path{file}); });
  };
  expect_bad("PK\3\4ab",
             "is a zip archive (as .docx, .epub, .npz and PyTorch's files are); token ids are expected: unpack it and "
             "name the text that is in it");
  expect_bad("GGUF\3\0\0\0"s, "is a model in GGUF; token ids are expected: name the text to read, not the model");
  const std::string ids = "O\0n\0c\0e\0 \0u\0p\0o\0n\0"s;  // small ids look like UTF-16
  EXPECT_EQ(TokenFile(std::filesystem::path{scratch.write("a.bin", ids)}).size(), 9);
}

}  // namespace
}  // namespace kiln
