// Files: what a crash or a fault leaves behind, and what users are told.
#include "kiln/core/file.h"

#include <gtest/gtest.h>

#include "support/scratch.h"
#include <csignal>
#include <cstdlib>
#include <optional>
#include <sys/wait.h>

namespace kiln {
namespace {

using testing::expect_error;
using testing::Scratch;

const std::string kBytes("a\0b\r\n\xff", 6);

TEST(File, ReadsWhatWasWritten) {
  const Scratch scratch;
  write_file_synced(scratch.path("a"), kBytes);
  EXPECT_EQ(read_file(scratch.path("a")), kBytes);
  const std::string large(3'000'001, 'x');  // more than a piece of reading
  write_file_atomically(scratch.path("b"), large);
  EXPECT_EQ(read_file(scratch.path("b")), large);
}

TEST(File, AtomicWriteReplacesTheOldFileAndLeavesNoTemporary) {
  const Scratch scratch;
  write_file_atomically(scratch.path("a"), "old and long");
  write_file_atomically(scratch.path("a"), "new");
  EXPECT_EQ(read_file(scratch.path("a")), "new");
  const auto entries = std::filesystem::directory_iterator(scratch.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST(File, AtomicWriteThatFailsKeepsTheOldFile) {
  const Scratch scratch;
  const std::string path = scratch.write("a", "old");
  std::filesystem::create_directory(path + ".tmp");  // the temporary cannot be made
  expect_error(ExitCode::io, path + ".tmp: cannot be created: Is a directory",
               [&] { write_file_atomically(path, "new"); });
  EXPECT_EQ(read_file(path), "old");
}

TEST(File, AtomicWriteThatCannotReplaceRemovesItsTemporary) {
  const Scratch scratch;
  const std::string path = scratch.path("folder").string();
  std::filesystem::create_directories(path + "/not_empty");
  expect_error(ExitCode::io, path + ": cannot be replaced: Is a directory",
               [&] { write_file_atomically(path, "new"); });
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(File, AFullDiskIsAnErrorOfInputAndOutput) {
  expect_error(ExitCode::io, "/dev/full: cannot be written: No space left on device",
               [] { write_file_synced("/dev/full", "bytes"); });
}

TEST(File, MissingFilesAndFoldersAreBadInput) {
  const Scratch scratch;
  const std::string missing = scratch.path("nothing").string(), folder = scratch.path().string();
  const std::string absent = missing + ": cannot be opened: No such file or directory";
  expect_error(ExitCode::bad_input, absent, [&] { read_file(missing); });
  expect_error(ExitCode::bad_input, absent, [&] { hash_file(missing); });
  expect_error(ExitCode::bad_input, absent, [&] { MappedFile file(missing); });
  expect_error(ExitCode::bad_input, folder + ": is a folder; a file is expected", [&] { read_file(folder); });
  expect_error(ExitCode::bad_input, folder + ": is a folder; a file is expected", [&] { MappedFile file(folder); });
}

TEST(File, HashIsXxh3OfTheContents) {
  EXPECT_EQ(hex(hash_bytes("")), "2d06800538d394c2");
  EXPECT_NE(hash_bytes("a", 1), hash_bytes("a", 2));
  EXPECT_EQ(hex(0x1f), "000000000000001f");
  const Scratch scratch;
  const std::string large(2'500'000, 'y');
  EXPECT_EQ(hash_file(scratch.write("large", large)), hash_bytes(large));
  EXPECT_EQ(hash_file(scratch.write("empty", "")), hash_bytes(""));
}

TEST(File, SyncsAFolderOrSaysThatItCannot) {
  const Scratch scratch;
  EXPECT_NO_THROW(sync_directory(scratch.path()));
  EXPECT_NO_THROW(sync_directory(""));
  EXPECT_THROW(sync_directory(scratch.path("nothing")), Error);
}

TEST(MappedFile, ShowsTheBytesAndMovesWithThem) {
  const Scratch scratch;
  MappedFile file(scratch.write("a", kBytes));
  EXPECT_EQ(file.bytes(), kBytes);
  MappedFile moved = std::move(file);
  EXPECT_EQ(moved.bytes(), kBytes);
  MappedFile assigned;
  assigned = std::move(moved);
  EXPECT_EQ(assigned.bytes(), kBytes);
  EXPECT_EQ(MappedFile(scratch.write("empty", "")).size(), 0u);
}

}  // namespace
}  // namespace kiln
