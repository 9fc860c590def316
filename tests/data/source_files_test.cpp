// Files, folders and globs: which files they name, in which order, and what is said where they name none.
#include "kiln/data/source_files.h"

#include "support/scratch.h"

namespace kiln {
namespace {

using ::kiln::testing::expect_error;
using ::kiln::testing::Scratch;

/// What patterns within the scratch folder match, as names within it.
std::vector<std::string> names(const Scratch& scratch, std::vector<std::string> patterns,
                               const std::vector<std::string>& include = kIncludedNames) {
  for (std::string& pattern : patterns) pattern = scratch.path(pattern).string();
  std::vector<std::string> found;
  for (const auto& file : find_source_files(patterns, "data.train", {}, include).files) {
    found.push_back(file.lexically_relative(scratch.path()).string());
  }
  return found;
}

using Names = std::vector<std::string>;

TEST(SourceFiles, FilesKeepTheOrderOfTheConfigAndFoldersAreSorted) {
  Scratch scratch;
  for (const char* name : {"z.txt", "d/b.txt", "d/a.txt", "d/deep/er/c.jsonl", "d/notes.md", "d/tokens.bin", "plain"}) {
    scratch.write(name, "x");
  }
  EXPECT_EQ(names(scratch, {"z.txt", "d"}), (Names{"z.txt", "d/a.txt", "d/b.txt", "d/deep/er/c.jsonl"}));
  EXPECT_EQ(names(scratch, {"plain", "d/notes.md"}), (Names{"plain", "d/notes.md"}));
}

TEST(SourceFiles, AnExtensionCountsInAnyCase) {
  Scratch scratch;
  for (const char* name : {"d/A.TXT", "d/C.JsonL", "d/X.BIN"}) scratch.write(name, "x");
  EXPECT_EQ(names(scratch, {"d"}), (Names{"d/A.TXT", "d/C.JsonL"}));
  EXPECT_EQ(source_kind("A.TXT"), SourceKind::text);
  EXPECT_EQ(source_kind("C.JsonL"), SourceKind::jsonl);
  EXPECT_EQ(source_kind("X.BIN"), SourceKind::tokens);
}

TEST(SourceFiles, GlobsMatchFilesAndFoldersSorted) {
  Scratch scratch;
  for (const char* name : {"b2.txt", "b10.txt", "a.txt", "sub1/x.txt", "sub2/y.txt"}) scratch.write(name, "x");
  EXPECT_EQ(names(scratch, {"b*.txt"}), (Names{"b10.txt", "b2.txt"}));
  EXPECT_EQ(names(scratch, {"[ab]*.txt"}), (Names{"a.txt", "b10.txt", "b2.txt"}));
  EXPECT_EQ(names(scratch, {"sub?"}), (Names{"sub1/x.txt", "sub2/y.txt"}));
  EXPECT_EQ(names(scratch, {"*/*.txt"}), (Names{"sub1/x.txt", "sub2/y.txt"}));
}

TEST(SourceFiles, ANameThatExistsIsNotTakenForAGlob) {
  Scratch scratch;
  scratch.write("a[1].txt", "x");
  scratch.write("a1.txt", "x");
  EXPECT_EQ(names(scratch, {"a[1].txt"}), (Names{"a[1].txt"}));
}

TEST(SourceFiles, TheCurrentDirectoryComesBeforeTheConfigs) {
  Scratch scratch;
  scratch.write("here/a.txt", "");
  scratch.write("config/a.txt", "");
  scratch.write("config/b.txt", "");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(scratch.path("here"));
  const auto found = find_source_files({"a.txt", "b.txt"}, "data.train", scratch.path("config"));
  std::filesystem::current_path(before);
  EXPECT_EQ(found.files, (std::vector<std::filesystem::path>{"a.txt", scratch.path("config/b.txt")}));
}

TEST(SourceFiles, APatternThatMatchesNothingIsNamed) {
  Scratch scratch;
  expect_error(ExitCode::usage,
               "data.validation: no file matches \"nowhere*.txt\" (relative to the current directory and " +
                   scratch.path().string() + "; of a folder, *.txt and *.jsonl files count)",
               [&] { find_source_files({"nowhere*.txt"}, "data.validation", scratch.path()); });
  std::filesystem::create_directory(scratch.path("empty"));
  const std::string empty = scratch.path("empty").string();
  expect_error(ExitCode::usage,
               "data.train: no file matches \"" + empty +
                   "\" (relative to the current directory; of a folder, *.txt and *.jsonl files count)",
               [&] { find_source_files({empty}, "data.train"); });
}

TEST(SourceFiles, FoldersGiveTheNamesThatAreIncluded) {
  Scratch scratch;
  for (const char* name : {"d/a.py", "d/deep/B.PY", "d/readme.md", "d/notes.txt", "d/Makefile"})
    scratch.write(name, "x");
  EXPECT_EQ(names(scratch, {"d"}, {"*.py", "*.md"}), (Names{"d/a.py", "d/deep/B.PY", "d/readme.md"}));
  EXPECT_EQ(names(scratch, {"d"}, {"Makefile"}), (Names{"d/Makefile"}));
  EXPECT_EQ(names(scratch, {"d/notes.txt"}, {"*.py"}), (Names{"d/notes.txt"})) << "a file that is named is taken";
}

TEST(SourceFiles, CompressedFilesCountByTheNameOfWhatTheyHold) {
  Scratch scratch;
  for (const char* name : {"d/a.txt.gz", "d/B.JSONL.ZST", "d/c.py.gz", "d/d.gz"}) scratch.write(name, "x");
  EXPECT_EQ(names(scratch, {"d"}), (Names{"d/B.JSONL.ZST", "d/a.txt.gz"}));
  EXPECT_EQ(names(scratch, {"d"}, {"*.gz"}), (Names{"d/a.txt.gz", "d/c.py.gz", "d/d.gz"}));
  EXPECT_EQ(source_kind("a.jsonl.gz"), SourceKind::jsonl);
  EXPECT_EQ(source_kind("a.bin.zst"), SourceKind::tokens);
  EXPECT_EQ(source_kind("a.gz"), SourceKind::text);
}

TEST(SourceFiles, WhatIsLeftIsCounted) {
  Scratch scratch;
  for (const char* name : {"d/a.txt", "d/a.py", "d/b.PY", "d/c.py", "d/readme.md", "d/Makefile"})
    scratch.write(name, "x");
  const SourceFiles found = find_source_files({scratch.path("d").string()}, "data.train");
  EXPECT_EQ(found.left, (std::map<std::string, std::size_t>{{".py", 3}, {".md", 1}, {"Makefile", 1}}));
  EXPECT_EQ(describe_files(found), "1 file, 1 B; left out: 5 others, mostly .py");
  EXPECT_EQ(describe_files(find_source_files({scratch.path("d/a.txt").string()}, "data.train")), "1 file, 1 B");
  scratch.write("one/a.txt", std::string(1500, 'x'));
  scratch.write("one/b.txt", "");
  scratch.write("one/c.csv", "x");
  EXPECT_EQ(describe_files(find_source_files({scratch.path("one").string()}, "data.train")),
            "2 files, 1.50 kB; left out: 1 other, .csv");
  const std::string folder = scratch.path("d").string();
  expect_error(ExitCode::usage,
               "data.train: no file matches \"" + folder +
                   "\" (relative to the current directory; of a folder, *.csv files count, which leaves out 6 "
                   "others, such as .py; data.include names others)",
               [&] { find_source_files({folder}, "data.train", {}, {"*.csv"}); });
  scratch.write("md/readme.md", "x");
  const std::string pages = scratch.path("md").string();
  expect_error(
      ExitCode::usage,
      "--data: no file matches \"" + pages +
          "\" (relative to the current directory; of a folder, *.txt and *.jsonl files count, which leaves out "
          "1 other, .md; --include names others)",
      [&] { find_source_files({pages}, "--data"); });
}

/// What kiln writes, and what is hidden, is nobody's text.
TEST(SourceFiles, ASearchPassesOverRunsAndHiddenFiles) {
  Scratch scratch;
  for (const char* name : {"a.txt", ".hidden.txt", ".git/b.txt", "runs/x/config.json", "runs/x/notes.txt",
                           "runs/x/tokens/c.txt", "step/merges.txt", "a.json.why.md"}) {
    scratch.write(name, "x");
  }
  scratch.write("runs/x/lock", "4711\n");
  scratch.write("step/kiln.json", "{}");
  scratch.write("step/manifest.json", "{}");
  scratch.write("lock/kiln.json", "a config of that name");
  scratch.write("lock/lock", "a door");
  scratch.write("lock/d.txt", "x");
  const std::string folder = scratch.path().string();
  EXPECT_EQ(names(scratch, {""}), (Names{"a.txt", "lock/d.txt"}));
  const SourceFiles found = find_source_files({folder}, "data.train", {}, {"*.md", "*.txt", "*.json"});
  EXPECT_EQ(found.files.size(), 3u);
  EXPECT_EQ(found.left, (std::map<std::string, std::size_t>{{"lock", 1}}));
  const std::string run = scratch.path("runs/x").string();
  expect_error(
      ExitCode::usage,
      "--data: no file matches \"" + run +
          "\" (relative to the current directory; of a folder, *.txt and *.jsonl files count, but not those of "
          "a run or checkpoint)",
      [&] { find_source_files({run}, "--data"); });
}

TEST(SourceFiles, AreCalledByTheFirst) {
  EXPECT_EQ(name_of_files({"a.txt"}), "a.txt");
  EXPECT_EQ(name_of_files({"a.txt", "b.txt"}), "a.txt and 1 other file");
  EXPECT_EQ(name_of_files({"a.txt", "b.txt", "c.txt"}), "a.txt and 2 other files");
}

TEST(SourceFiles, TextAndTokenFilesDoNotMix) {
  EXPECT_TRUE(are_token_files({"a.bin", "b.bin"}, "data.train"));
  EXPECT_FALSE(are_token_files({"a.txt", "b.jsonl"}, "data.train"));
  EXPECT_FALSE(are_token_files({}, "data.train"));
  expect_error(ExitCode::usage, "data.train: b.bin is a token file and a.txt is text; give one kind", [] {
    are_token_files({"a.txt", "b.bin"}, "data.train");
  });
}

}  // namespace
}  // namespace kiln
