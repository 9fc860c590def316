// Files read and written in pieces, folders replaced, and paths that try to leave a folder.
#include "kiln/core/file_streams.h"

#include "kiln/core/file.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/file_size_limit.h"
#include "support/scratch.h"
#include <array>
#include <string>

namespace kiln {
namespace {

using testing::expect_error;
using testing::expect_error_with;
using testing::Scratch;

TEST(FileWriter, HashesAndCountsWhatItWrites) {
  const Scratch scratch;
  const std::string small = "abc", large(1'500'000, 'z');  // below and above a piece of the buffer
  for (const PageCache cache : {PageCache::use, PageCache::bypass}) {
    FileWriter writer(scratch.path("a"), cache);
    std::string expected;
    for (const std::string& piece : {small, large, small, std::string(), large, small}) {
      writer.write(piece);
      expected += piece;
    }
    const FileDigest digest = writer.finish();
    EXPECT_EQ(digest, (FileDigest{expected.size(), hash_bytes(expected)}));
    EXPECT_TRUE(read_file(scratch.path("a")) == expected);
  }
}

TEST(FileWriter, PastThePageCacheFilesMayEndAndBeRewrittenAnywhere) {
  constexpr std::size_t kPiece = 1 << 20;
  const Scratch scratch;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kPiece - 1, kPiece, kPiece + 1, 3 * kPiece + 123}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 997);
    FileWriter writer(scratch.path("a"), PageCache::bypass);
    writer.write(bytes);
    writer.write("abc");
    writer.rewrite(size / 2, "x");
    writer.write(bytes);
    std::string expected = bytes;
    expected.append("abc").append(bytes);
    EXPECT_EQ(writer.finish(), (FileDigest{2 * size + 3, hash_bytes(expected)})) << size;
    expected[size / 2] = 'x';
    EXPECT_TRUE(read_file(scratch.path("a")) == expected) << size;
  }
}

/// As past a full disk: what the limit leaves of a piece is written, and need not be whole blocks.
TEST(FileWriter, PastThePageCacheAWriteMayBeCutShortAnywhere) {
  const Scratch scratch;
  FileWriter writer(scratch.path("a"), PageCache::bypass);
  const std::string bytes(3 << 20, 'a');
  const testing::FileSizeLimit limit((1 << 20) + 1000);
  expect_error_with(ExitCode::io, {"cannot be written: File too large"}, [&] { writer.write(bytes); });
  EXPECT_EQ(std::filesystem::file_size(scratch.path("a")), (1 << 20) + 1000u);
}

TEST(FileWriter, RewritesWhatWentByBefore) {
  const Scratch scratch;
  FileWriter writer(scratch.path("a"));
  writer.write("0123456789");
  writer.rewrite(2, "xyz");
  writer.write("!");
  EXPECT_EQ(writer.finish(), (FileDigest{11, hash_bytes("0123456789!")}));
  EXPECT_EQ(read_file(scratch.path("a")), "01xyz56789!");
}

TEST(FileWriter, SaysThatTheDiskIsFull) {
  FileWriter writer("/dev/full");
  writer.write("bytes");
  expect_error(ExitCode::io, "/dev/full: cannot be written: No space left on device", [&] { writer.finish(); });
}

TEST(FileReader, ReadsAnywhereAndSaysWhereTheFileEnds) {
  const Scratch scratch;
  const std::string path = scratch.write("a", "0123456789");
  const FileReader reader(path);
  EXPECT_EQ(reader.size(), 10u);
  std::array<std::byte, 3> bytes;
  reader.read(7, bytes);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), "789");
  expect_error(ExitCode::bad_input, path + ": ends at byte 10, where 1 more are expected; was it cut short?",
               [&] { reader.read(8, bytes); });
  std::filesystem::resize_file(path, 2);  // while it is open
  expect_error(ExitCode::bad_input, path + ": ends at byte 7, where 3 more are expected; was it cut short?",
               [&] { reader.read(7, bytes); });
}

TEST(StreamHash, IsTheHashOfTheWhole) {
  StreamHash hash;
  for (const char* piece : {"a", "", "bcd", "e"}) hash.update(piece);
  EXPECT_EQ(hash.digest(), hash_bytes("abcde"));
}

TEST(LineAppender, AppendsToWhatIsThere) {
  const Scratch scratch;
  { LineAppender(scratch.path("log")).append("one"); }
  LineAppender again(scratch.path("log"));
  again.append("two");
  again.append("");
  EXPECT_EQ(read_file(scratch.path("log")), "one\ntwo\n\n");
}

TEST(LineAppender, EndsALineThatACrashCutOff) {
  const Scratch scratch;
  scratch.write("log", "one\ntw");
  LineAppender(scratch.path("log")).append("three");
  EXPECT_EQ(read_file(scratch.path("log")), "one\ntw\nthree\n");
}

TEST(ReplaceDirectory, PutsTheNewFolderInPlaceOfTheOld) {
  const Scratch scratch;
  scratch.write("old/a", "old");
  scratch.write("new/b", "new");
  replace_directory(scratch.path("new"), scratch.path("old"));
  EXPECT_FALSE(std::filesystem::exists(scratch.path("new")));
  EXPECT_FALSE(std::filesystem::exists(scratch.path("old/a")));
  EXPECT_EQ(read_file(scratch.path("old/b")), "new");
  replace_directory(scratch.path("old"), scratch.path("elsewhere"));
  EXPECT_EQ(read_file(scratch.path("elsewhere/b")), "new");
}

TEST(ReplaceDirectory, OfNothingIsAnErrorOfInputAndOutput) {
  const Scratch scratch;
  const std::string to = scratch.path("to").string();
  expect_error(ExitCode::io, to + ": cannot be put in place: No such file or directory",
               [&] { replace_directory(scratch.path("from"), to); });
}

TEST(MakeDirectories, MakesWhatIsMissingAndSaysWhyItCannot) {
  const Scratch scratch;
  make_directories(scratch.path("a/b/c"));
  make_directories(scratch.path("a/b/c/"));
  make_directories(scratch.path("a/b/new/"));
  EXPECT_TRUE(is_folder(scratch.path("a/b/c")));
  EXPECT_TRUE(is_folder(scratch.path("a/b/new")));
  const std::string file = scratch.write("a/file", "");
  expect_error(ExitCode::io, file + ": the folder cannot be made: File exists",
               [&] { make_directories(scratch.path("a/file/b")); });
}

TEST(ListFolder, NamesWhatIsThereInOrder) {
  const Scratch scratch;
  EXPECT_TRUE(list_folder(scratch.path("missing")).empty());
  const std::string file = scratch.write("folder/b", "");
  EXPECT_TRUE(list_folder(file).empty());
  scratch.write("folder/c/inner", "");
  scratch.write("folder/a", "");
  const std::filesystem::path folder = scratch.path("folder");
  EXPECT_EQ(list_folder(folder), (std::vector<std::filesystem::path>{folder / "a", folder / "b", folder / "c"}));
}

TEST(PathWithin, RefusesToLeaveTheFolder) {
  const Scratch scratch;
  scratch.write("folder/inside/a", "a");
  scratch.write("outside", "o");
  const std::filesystem::path folder = scratch.path("folder");
  std::filesystem::create_symlink("../outside", folder / "link");
  std::filesystem::create_symlink("inside/a", folder / "good_link");
  EXPECT_EQ(path_within(folder, "inside/a"), folder / "inside/a");
  EXPECT_EQ(path_within(folder, "inside/../inside/a"), folder / "inside/../inside/a");
  EXPECT_EQ(path_within(folder, "good_link"), folder / "good_link");
  for (const char* name : {"../outside", "link", "inside/../../outside", "/etc/passwd", "", "."}) {
    expect_error(ExitCode::bad_input,
                 fmt::format("{}: \"{}\" leads out of the folder; copy what the links name, as cp -rL FOLDER COPY does",
                             folder.string(), name),
                 [&] { path_within(folder, name); });
  }
}

}  // namespace
}  // namespace kiln
