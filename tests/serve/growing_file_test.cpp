// Files that grow, end within a line, are cut, replaced, or are no files.
#include "serve/growing_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch.h"
#include <string>
#include <sys/stat.h>
#include <vector>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Scratch;

/// A file that grows, and the lines that were read of it since its last restart.
struct ReadLines {
  explicit ReadLines(const std::filesystem::path& path) : file(path) {}

  const std::vector<std::string>& read() {
    file.read(
        [this] {
          lines.clear();
          ++restarts;
        },
        [this](std::string_view line) { lines.emplace_back(line); });
    return lines;
  }

  GrowingFile file;
  std::vector<std::string> lines;
  int restarts = 0;
};

void append_to_file(const Scratch& scratch, std::string_view name, std::string_view bytes) {
  std::ofstream(scratch.path(name), std::ios::binary | std::ios::app) << bytes;
}

TEST(GrowingFile, ReadsOnlyWhatIsNewAndOnlyWholeLines) {
  const Scratch scratch;
  ReadLines file(scratch.path("f"));
  EXPECT_THAT(file.read(), IsEmpty()) << "no file yet";
  scratch.write("f", "a\nbb\nc");
  EXPECT_THAT(file.read(), ElementsAre("a", "bb"));
  EXPECT_EQ(file.file.position(), 5u);
  const int restarts = file.restarts;
  EXPECT_THAT(file.read(), ElementsAre("a", "bb"));
  append_to_file(scratch, "f", "c\n\nd");
  EXPECT_THAT(file.read(), ElementsAre("a", "bb", "cc", ""));
  EXPECT_EQ(file.restarts, restarts);
}

TEST(GrowingFile, BeginsAnewWhereTheFileIsAnother) {
  const Scratch scratch;
  scratch.write("f", "a\nb\nc\n");
  ReadLines file(scratch.path("f"));
  EXPECT_THAT(file.read(), ElementsAre("a", "b", "c"));
  scratch.write("other", "a\nb\nx\n");  // as long
  std::filesystem::rename(scratch.path("other"), scratch.path("f"));
  EXPECT_THAT(file.read(), ElementsAre("a", "b", "x"));
  scratch.write("f", "a\n");  // in place, shorter
  EXPECT_THAT(file.read(), ElementsAre("a"));
  scratch.write("f", "b\nc\n");  // in place, longer
  EXPECT_THAT(file.read(), ElementsAre("b", "c"));
  std::filesystem::remove(scratch.path("f"));
  EXPECT_THAT(file.read(), IsEmpty());
}

TEST(GrowingFile, PassesOverLinesThatAreTooLong) {
  const Scratch scratch;
  const std::string longest((std::size_t{1} << 20) - 1, 'x'), longer(3'000'000, 'y');
  scratch.write("f", longest + "\na\n" + longer + "\nb\n" + longer);
  ReadLines file(scratch.path("f"));
  EXPECT_THAT(file.read(), ElementsAre(longest, "a", "b"));
  append_to_file(scratch, "f", longer + "\nc\n");
  EXPECT_THAT(file.read(), ElementsAre(longest, "a", "b", "c"));
}

TEST(GrowingFile, TakesLinksPipesAndFoldersForNoFile) {
  const Scratch scratch;
  scratch.write("secret", "a\n");
  std::filesystem::create_symlink(scratch.path("secret"), scratch.path("link"));
  EXPECT_THAT(ReadLines(scratch.path("link")).read(), IsEmpty());
  EXPECT_EQ(last_lines(scratch.path("link"), 100), "");
  ASSERT_EQ(::mkfifo(scratch.path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(ReadLines(scratch.path("pipe")).read(), IsEmpty()) << "and does not wait for a writer";
  EXPECT_THAT(ReadLines(scratch.path()).read(), IsEmpty());
}

TEST(GrowingFile, GivesTheLastLines) {
  const Scratch scratch;
  scratch.write("f", "one\ntwo\nthree\nfo");
  EXPECT_EQ(last_lines(scratch.path("f"), 100), "one\ntwo\nthree\n");
  EXPECT_EQ(last_lines(scratch.path("f"), 10), "three\n");
  EXPECT_EQ(last_lines(scratch.path("f"), 2), "");
  EXPECT_EQ(last_lines(scratch.path("missing"), 10), "");
}

}  // namespace
}  // namespace kiln
