// Token files: three formats read as one, what is written, and every way in which a file can lie.
#include "kiln/data/token_file.h"

#include "kiln/core/file.h"
#include "kiln/core/file_streams.h"

#include <gmock/gmock.h>

#include "data/small_data.h"
#include "support/scratch.h"
#include <array>
#include <cstring>
#include <numeric>
#include <vector>

namespace kiln {
namespace {

using ::kiln::testing::all;
using ::kiln::testing::expect_error;
using ::kiln::testing::Scratch;
using ::kiln::testing::Tokens;
using ::testing::ElementsAre;

/// Values as little-endian bytes of type T.
template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// llm.c's header as its own writers make it: three fields, the rest zero.
std::string llmc_header(std::int32_t magic, std::int32_t version, std::int32_t count) {
  std::vector<std::int32_t> header(256);
  header[0] = magic;
  header[1] = version;
  header[2] = count;
  return bytes_of(header);
}

TEST(TokenFile, ReadsNanoGptsRawFiles) {
  Scratch scratch;
  const TokenFile file(scratch.write("a.bin", bytes_of<std::uint16_t>({0, 50256, 65535, 7})));
  EXPECT_EQ(file.size(), 4);
  EXPECT_EQ(file[2], 65535);
  EXPECT_THAT(all(file), ElementsAre(0, 50256, 65535, 7));
  EXPECT_EQ(file.text_bytes(), std::nullopt);
  EXPECT_FALSE(file.is_intact());
}

TEST(TokenFile, ReadsLlmcFilesOfBothWidths) {
  Scratch scratch;
  const TokenFile narrow(scratch.write("n.bin", llmc_header(20240520, 1, 3) + bytes_of<std::uint16_t>({50256, 1, 2})));
  const TokenFile wide(scratch.write("w.bin", llmc_header(20240801, 7, 2) + bytes_of<std::uint32_t>({128000, 5})));
  EXPECT_THAT(all(narrow), ElementsAre(50256, 1, 2));
  EXPECT_THAT(all(wide), ElementsAre(128000, 5));
  EXPECT_EQ(wide.text_bytes(), std::nullopt);
}

TEST(TokenFile, AnEmptyFileHoldsNoTokens) {
  Scratch scratch;
  EXPECT_EQ(TokenFile(scratch.write("a.bin", "")).size(), 0);
  EXPECT_EQ(TokenFile().size(), 0);
}

TEST(TokenFile, FilesThatAreNotWhatTheyClaimAreRefused) {
  Scratch scratch;
  const auto expect_bad = [&](const std::string& bytes, const std::string& text) {
    const std::string path = scratch.write("a.bin", bytes);
    expect_error(ExitCode::bad_input, path + ": " + text, [&] { TokenFile file(std::filesystem::path{path}); });
  };
  expect_bad("abc", "3 bytes, an odd number; a token file without a header holds 2 bytes a token (uint16)");
  expect_bad(llmc_header(20240520, 1, 3).substr(0, 1000),
             "1,000 bytes; a token file's header alone takes 1,024; was it truncated?");
  expect_bad(llmc_header(20240520, 2, 0), "a token file of version 2; version 1 is read (magic 20240520)");
  expect_bad(llmc_header(20240801, 1, 0), "a token file of version 1; version 7 is read (magic 20240801)");
  expect_bad(llmc_header(20240520, 1, 3) + "abcd",
             "its header says 3 tokens of 2 bytes, but 4 bytes follow it; was it truncated?");
  expect_bad(llmc_header(20240520, 1, 2) + "abcde",
             "its header says 2 tokens of 2 bytes, but 5 bytes follow it; was it truncated?");
  expect_bad(llmc_header(20240801, 7, -1) + "abcd",
             "its header says 4294967295 tokens of 4 bytes, but 4 bytes follow it; was it truncated?");
  std::string header = llmc_header(20240520, 1, 0);
  header.replace(16, 8, 8, '\xFF');
  expect_bad(header, "its header says that the tokens spell 18446744073709551615 bytes of text; was it damaged?");
  header.replace(22, 2, 2, '\0');
  expect_bad(header, "its header says that the tokens spell 281474976710655 bytes of text; was it damaged?");
}

TEST(TokenFile, AMissingFileIsRefused) {
  Scratch scratch;
  const auto path = scratch.path("none.bin");
  expect_error(ExitCode::bad_input, path.string() + ": cannot be opened: No such file or directory",
               [&] { TokenFile file(path); });
}

TEST(TokenFile, ATokenBeyondTheVocabularyIsNamedWithItsOffset) {
  Scratch scratch;
  const auto expect_bad = [](const TokenFile& file, Index vocab_size, const std::string& text) {
    expect_error(ExitCode::bad_input,
                 file.name() + text +
                     fmt::format(" is not below the vocabulary's size, {}; was the file made with "
                                 "another tokenizer?",
                                 vocab_size),
                 [&] { file.check_vocabulary(vocab_size); });
  };
  const TokenFile raw(scratch.write("a.bin", bytes_of<std::uint16_t>({1, 64, 65, 66})));
  raw.check_vocabulary(67);
  expect_bad(raw, 65, ": token 65 at byte offset 4");
  expect_bad(raw.slice(3, 1), 65, ": token 66 at byte offset 6");
  const TokenFile wide(scratch.write("w.bin", llmc_header(20240801, 7, 2) + bytes_of<std::uint32_t>({5, 0xFFFFFFFFu})));
  expect_bad(wide, 2147483647, ": token 4294967295 at byte offset 1028");
}

TEST(TokenFile, SlicesShareTheFileAndReadFromTheirStart) {
  Scratch scratch;
  TokenFile part;
  {
    const TokenFile file(scratch.write("a.bin", bytes_of<std::uint16_t>({10, 11, 12, 13, 14})));
    part = file.slice(1, 3).slice(1, 2);
  }
  EXPECT_THAT(all(part), ElementsAre(12, 13));
  EXPECT_EQ(part[1], 13);
}

TEST(TokenFileBuilder, VocabulariesUpTo65536AreUint16AsLlmcReadsThem) {
  Scratch scratch;
  const auto path = scratch.path("a.bin");
  write_token_file(path, Tokens{65535, 0, 3}, 65536);
  const std::string bytes = read_file(path);
  ASSERT_EQ(bytes.size(), 1024u + 6u);
  EXPECT_EQ(bytes.substr(0, 12), llmc_header(20240520, 1, 3).substr(0, 12));
  EXPECT_EQ(bytes.substr(1024), bytes_of<std::uint16_t>({65535, 0, 3}));
  EXPECT_THAT(all(TokenFile(path)), ElementsAre(65535, 0, 3));
}

TEST(TokenFileBuilder, LargerVocabulariesAreUint32) {
  Scratch scratch;
  const auto path = scratch.path("a.bin");
  write_token_file(path, Tokens{65536, 1}, 65537);
  const std::string bytes = read_file(path);
  EXPECT_EQ(bytes.substr(0, 12), llmc_header(20240801, 7, 2).substr(0, 12));
  EXPECT_EQ(bytes.substr(1024), bytes_of<std::uint32_t>({65536, 1}));
  EXPECT_THAT(all(TokenFile(path)), ElementsAre(65536, 1));
}

TEST(RawTokens, AreUint16AloneAndNeedAVocabularyThatFits) {
  const std::vector<std::int32_t> tokens{0, 258, 65535};
  EXPECT_EQ(raw_token_bytes(tokens, 65536), std::string("\0\0\2\1\xFF\xFF", 6));
  EXPECT_EQ(raw_token_bytes({}, 65536), "");
  expect_error(ExitCode::usage,
               "a vocabulary of 65,537 ids does not fit nanoGPT's files, whose ids are uint16: 65,536 at most; llm.c's "
               "file takes it",
               [&] { raw_token_bytes(tokens, 65537); });
}

TEST(TokenFileBuilder, KeepsTextBytesAndAChecksumOfEverything) {
  TokenFileBuilder builder(100);
  builder.append(Tokens{1, 2}, 5);
  builder.append(Tokens{}, 0);
  builder.append(Tokens{3}, 2);
  const std::string bytes = builder.finish();
  const TokenFile file(bytes, "memory");
  EXPECT_THAT(all(file), ElementsAre(1, 2, 3));
  EXPECT_EQ(file.text_bytes(), 7);
  EXPECT_TRUE(file.is_intact());
  EXPECT_EQ(file.slice(0, 3).text_bytes(), std::nullopt);
  for (std::size_t at : {std::size_t{16}, std::size_t{24}, std::size_t{500}, bytes.size() - 1}) {
    std::string damaged = bytes;
    damaged[at] ^= 1;
    EXPECT_FALSE(TokenFile(damaged, "memory").is_intact()) << at;
  }
}

TEST(TokenFileWriter, WritesInPiecesWhatTheBuilderGathers) {
  Scratch scratch;
  const auto path = scratch.path("a.bin");
  TokenFileBuilder builder(100'000);
  TokenFileWriter writer(path, 100'000);
  std::uint32_t token = 1;
  for (const std::size_t length :
       {0u, 1u, 1000u, 400'000u, 3u}) {  // below and above what FileWriter keeps in its buffer
    Tokens tokens(length);
    for (std::int32_t& t : tokens)
      t = static_cast<std::int32_t>((token = token * 1'664'525u + 1'013'904'223u) % 100'000u);
    builder.append(tokens, static_cast<Index>(length / 2));
    writer.append(tokens, static_cast<Index>(length / 2));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();
  EXPECT_TRUE(read_file(path) == builder.finish());
  const TokenFile file(path);
  EXPECT_TRUE(file.is_intact());
  EXPECT_EQ(file.size(), 401'004);
  EXPECT_EQ(file.text_bytes(), 200'501);
}

TEST(TokenFileWriter, LeavesTheOldFileUntilItIsFinished) {
  Scratch scratch;
  const auto path = scratch.write("a.bin", "old");
  {
    TokenFileWriter writer(path, 10);
    writer.append(Tokens{1, 2});
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(RequireTokens, SaysBothNumbers) {
  require_tokens(3, 3, "data.train", "a context of 2");
  expect_error(ExitCode::usage, "data.train: 3 tokens, but a context of 3 needs at least 4 tokens; give more text",
               [] { require_tokens(3, 4, "data.train", "a context of 3"); });
  expect_error(ExitCode::usage, "a.txt: 0 tokens, but a context of 3 needs at least 4 tokens; give more text",
               [] { require_tokens(0, 4, "a.txt", "a context of 3"); });
}

}  // namespace
}  // namespace kiln
