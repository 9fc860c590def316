// Compressed files: what comes out, and that no damage passes for text.
#include "kiln/core/compressed_file.h"

#include "kiln/core/file.h"
#include "kiln/core/rng.h"

#include <gmock/gmock.h>

#include "support/compress.h"
#include "support/scratch.h"

namespace kiln {
namespace {

using ::kiln::testing::gzip;
using ::kiln::testing::Scratch;
using ::kiln::testing::zstd;

std::string compressible_text(std::size_t bytes) {
  Rng rng(41, "text");
  std::string text;
  while (text.size() < bytes) text += rng.below(3) == 0 ? std::to_string(rng.below(1000)) : " the same again";
  return text;
}

/// The message of the Error (bad_input) that reading these bytes throws; "" if it throws none.
std::string refusal_of(const Scratch& folder, std::string_view name, std::string_view bytes) {
  try {
    read_decompressed(folder.write(name, bytes));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input) << error.what();
    EXPECT_TRUE(std::string_view(error.what()).starts_with(folder.path(name).string() + ": ")) << error.what();
    return error.what();
  }
  return "";
}

TEST(CompressedFile, NamesTellWhatIsCompressed) {
  for (const char* name : {"a.txt.gz", "a.TXT.GZ", "b/a.jsonl.zst", ".gz.zst"})
    EXPECT_TRUE(is_compressed(name)) << name;
  for (const char* name : {"a.txt", "gz", ".gz", "a.gz/b", "a.tgz", ""}) EXPECT_FALSE(is_compressed(name)) << name;
  EXPECT_EQ(without_compression("b/a.jsonl.zst"), "b/a.jsonl");
  EXPECT_EQ(without_compression("A.Txt.Gz"), "A.Txt");
  EXPECT_EQ(without_compression("a.txt"), "a.txt");
}

TEST(CompressedFile, TextComesBack) {
  const Scratch folder;
  for (const std::size_t size : {0u, 1u, 1000u, 262144u, 3000000u}) {
    const std::string text = compressible_text(size).substr(0, size);
    EXPECT_TRUE(read_decompressed(folder.write("a.gz", gzip(text))) == text) << size;
    EXPECT_TRUE(read_decompressed(folder.write("a.ZST", zstd(text))) == text) << size;
    EXPECT_TRUE(read_decompressed(folder.write("a.txt", text)) == text) << size;
  }
}

TEST(CompressedFile, MembersInARowAreJoined) {
  const Scratch folder;
  EXPECT_EQ(read_decompressed(folder.write("a.gz", gzip("one ") + gzip("") + gzip("two"))), "one two");
  EXPECT_EQ(read_decompressed(folder.write("a.zst", zstd("one ") + zstd("") + zstd("two"))), "one two");
}

TEST(CompressedFile, EveryCutIsNoticed) {
  const Scratch folder;
  const std::string text = compressible_text(300);
  for (const auto& [name, whole] : {std::pair("a.gz", gzip(text)), std::pair("a.zst", zstd(text))}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      ASSERT_NE(refusal_of(folder, name, whole.substr(0, size)), "") << name << " cut to " << size;
    }
    EXPECT_THAT(refusal_of(folder, name, whole.substr(0, whole.size() - 1)), ::testing::HasSubstr("is cut short"));
    EXPECT_THAT(refusal_of(folder, name, ""), ::testing::HasSubstr("is cut short"));
  }
}

TEST(CompressedFile, NoMoreComesOutThanThereIsMemoryFor) {
  const Scratch folder;
  const std::string zeros(1 << 20, '\0');
  for (const std::string& file : {folder.write("a.gz", gzip(zeros)), folder.write("a.zst", zstd(zeros))}) {
    EXPECT_EQ(read_decompressed(file, 1 << 20).size(), zeros.size());
    testing::expect_error(
        ExitCode::bad_input,
        file +
            ": decompresses to more than the 1.00 MB that there is memory for; decompress it to a file "
            "and name that",
        [&] { read_decompressed(file, 1'000'000); });
  }
}

TEST(CompressedFile, DamageIsNoticed) {
  const Scratch folder;
  const std::string text = compressible_text(300);
  for (const auto& [name, whole] : {std::pair("a.gz", gzip(text)), std::pair("a.zst", zstd(text))}) {
    for (std::size_t at = 10; at < whole.size(); ++at) {  // gzip's header has bytes that mean nothing
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      ASSERT_NE(refusal_of(folder, name, damaged), "") << name << " at " << at;
    }
    EXPECT_THAT(refusal_of(folder, name, "plain text that only has the name"),
                ::testing::HasSubstr("or not compressed by"));
    EXPECT_THAT(refusal_of(folder, name, whole + "rest"), ::testing::HasSubstr("compress it again"));
  }
}

TEST(CompressedFile, TheFirstBytesCountNotTheName) {
  const Scratch folder;
  EXPECT_EQ(read_decompressed(folder.write("a.gz", zstd("by zstd"))), "by zstd");
  EXPECT_EQ(read_decompressed(folder.write("a.zst", gzip("by gzip"))), "by gzip");
  EXPECT_THAT(refusal_of(folder, "a.gz", zstd("text") + "rest"), ::testing::HasSubstr("not compressed by zstd"));
}

}  // namespace
}  // namespace kiln
