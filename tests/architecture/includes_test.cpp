// Checks every file of include/, src/ and tests/ against the floors and the rules of form; planted violations test the
// checker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rules.h"
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace kiln::architecture {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// Reads every .h, .cpp and .inc below the project's include/, src/ and tests/.
std::vector<SourceFile> read_project() {
  const std::filesystem::path root = KILN_SOURCE_DIR;
  std::vector<SourceFile> files;
  for (const char* top : {"include", "src", "tests"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension().string();
      if (!entry.is_regular_file() || (extension != ".h" && extension != ".cpp" && extension != ".inc")) continue;
      std::ostringstream text;
      text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      files.push_back({entry.path().lexically_relative(root).generic_string(), text.str()});
    }
  }
  return files;
}

TEST(Architecture, EveryFileKeepsToTheFloorsAndTheRulesOfForm) {
  EXPECT_EQ(to_text(check_architecture(read_project())), "");
}

TEST(Architecture, TheCheckReallyReadsTheProject) {
  const std::vector<SourceFile> files = read_project();
  std::size_t includes = 0;
  for (const SourceFile& file : files) includes += find_includes(file.text).size();
  EXPECT_GE(files.size(), 80u);
  EXPECT_GE(includes, 300u);
  for (const Floor& floor : kFloors) {
    const std::string folder = "src/" + std::string(floor.folder) + "/";
    const bool seen =
        std::any_of(files.begin(), files.end(), [&](const SourceFile& file) { return file.path.starts_with(folder); });
    EXPECT_TRUE(seen) << folder << " holds no file";
  }
}

// ---- the checker itself, on small projects with one violation planted in each ----

SourceFile header(const std::string& path, const std::string& includes = "") {
  return {path, "// A purpose.\n#pragma once\n" + includes};  // includes begin on line 3
}

SourceFile source(const std::string& path, const std::string& includes = "") {
  return {path, "// A purpose.\n" + includes};  // includes begin on line 2
}

std::string include(const std::string& target) { return "#include \"" + target + "\"\n"; }

/// Returns the violations in a small valid project with these files added. The top floor includes every public header.
std::string violations(std::vector<SourceFile> files) {
  for (const char* path :
       {"core/error.h", "kernels/matmul.h", "nn/gpt.h", "text/bpe.h", "data/batcher.h", "optim/sgd.h"}) {
    files.push_back(header("include/kiln/" + std::string(path)));
  }
  const std::string root = "include/";
  std::string all;
  for (const SourceFile& file : files) {
    if (file.path.starts_with(root)) all += include(file.path.substr(root.size()));
  }
  files.push_back(source("src/cli/all.cpp", all));
  return to_text(check_architecture(files));
}

TEST(ArchitectureChecker, AcceptsLowerFloorsTheOwnFolderAndLibraries) {
  EXPECT_EQ(violations({}), "");
  EXPECT_EQ(violations({header("include/kiln/nn/block.h", include("kiln/kernels/matmul.h") + "#include <vector>\n"),
                        source("src/nn/gpt.cpp", include("kiln/nn/gpt.h") + include("kiln/nn/block.h")),
                        source("src/plot/picture.cpp", "#include <librsvg/rsvg.h>\n"),
                        source("src/cli/main.cpp", "#include <CLI/CLI.hpp>\n" + include("kiln/core/error.h")),
                        header("src/kernels/tile.h"), source("src/kernels/attention.cpp", include("tile.h")),
                        header("tests/support/random.h", include("kiln/nn/gpt.h")),
                        source("tests/core/error_test.cpp", include("support/random.h"))}),
            "");
}

TEST(ArchitectureChecker, RefusesAHigherFloor) {
  EXPECT_EQ(violations({source("src/core/file.cpp", include("kiln/core/error.h") + include("kiln/nn/gpt.h"))}),
            "src/core/file.cpp:3: \"kiln/nn/gpt.h\": core (floor 0) may include lower floors and its own folder, "
            "nn is on floor 3\n");
  EXPECT_THAT(violations({header("include/kiln/kernels/linear.h", include("kiln/nn/gpt.h"))}),
              StartsWith("include/kiln/kernels/linear.h:3: "));
}

TEST(ArchitectureChecker, RefusesASiblingFolder) {
  EXPECT_THAT(violations({source("src/optim/adamw.cpp", include("kiln/data/batcher.h"))}),
              StartsWith("src/optim/adamw.cpp:2: \"kiln/data/batcher.h\": optim (floor 4)"));
  EXPECT_THAT(violations({source("src/text/bpe.cpp", include("kiln/nn/gpt.h"))}), StartsWith("src/text/bpe.cpp:2: "));
}

TEST(ArchitectureChecker, RefusesAHigherFloorThroughARelativePathAndAngleBrackets) {
  EXPECT_THAT(violations({header("src/nn/detail.h"), source("src/core/file.cpp", include("../nn/detail.h"))}),
              HasSubstr("src/core/file.cpp:2: \"../nn/detail.h\": core (floor 0)"));
  const std::string found = violations({source("src/core/file.cpp", "  #  include  <kiln/nn/gpt.h>  // why\n")});
  EXPECT_THAT(found, HasSubstr("src/core/file.cpp:2: \"kiln/nn/gpt.h\": core (floor 0)"));
  EXPECT_THAT(found, HasSubstr("included in quotes"));
}

TEST(ArchitectureChecker, HoldsTestsToTheFloorTheyTest) {
  EXPECT_THAT(violations({source("tests/optim/sgd_test.cpp", include("kiln/data/batcher.h"))}),
              StartsWith("tests/optim/sgd_test.cpp:2: "));
}

TEST(ArchitectureChecker, RefusesBlockIncludingGpt) {
  EXPECT_EQ(violations({header("include/kiln/nn/block.h", include("kiln/nn/gpt.h"))}),
            "include/kiln/nn/block.h:3: \"kiln/nn/gpt.h\": block stands below gpt and may not include it\n");
}

TEST(ArchitectureChecker, RefusesHeadersInACircle) {
  EXPECT_EQ(violations({header("include/kiln/run/a.h", include("kiln/run/b.h")),
                        header("include/kiln/run/b.h", include("kiln/core/error.h") + include("kiln/run/a.h"))}),
            "include/kiln/run/b.h:4: \"include/kiln/run/a.h\" includes this file in turn: a circle\n");
}

TEST(ArchitectureChecker, RefusesAPublicHeaderThatItsOwnFloorAloneIncludes) {
  const SourceFile sgd = header("include/kiln/optim/sgd.h");
  const std::string unused =
      "include/kiln/optim/sgd.h:0: no public header and no other floor includes it; move it to src/optim/sgd.h\n";
  const auto found = [](const std::vector<SourceFile>& files) { return to_text(check_architecture(files)); };
  EXPECT_EQ(found({sgd}), unused);
  EXPECT_EQ(found({sgd, source("src/optim/sgd.cpp", include("kiln/optim/sgd.h")),
                   source("tests/optim/sgd_test.cpp", include("kiln/optim/sgd.h")),
                   source("tests/train/trainer_test.cpp", include("kiln/optim/sgd.h"))}),
            unused);
  EXPECT_EQ(found({sgd, source("src/train/trainer.cpp", include("kiln/optim/sgd.h"))}), "");
  EXPECT_EQ(found({sgd, header("include/kiln/optim/adam.h", include("kiln/optim/sgd.h")),
                   source("src/train/trainer.cpp", include("kiln/optim/adam.h"))}),
            "");
}

TEST(ArchitectureChecker, RefusesAnotherFloorsPrivateHeader) {
  const SourceFile tile = header("src/kernels/tile.h");
  const std::string rule =
      "\"kernels/tile.h\": only src/kernels/ may include it; where others need it, it lies in "
      "include/kiln/kernels/\n";
  EXPECT_EQ(violations({tile, source("src/nn/gpt.cpp", include("kernels/tile.h"))}), "src/nn/gpt.cpp:2: " + rule);
  EXPECT_EQ(violations({tile, header("include/kiln/kernels/linear.h", include("kernels/tile.h"))}),
            "include/kiln/kernels/linear.h:3: " + rule);
  EXPECT_EQ(violations({tile, source("src/kernels/linear.cpp", include("kernels/tile.h")),
                        source("tests/nn/gpt_test.cpp", include("kernels/tile.h"))}),
            "");
}

TEST(ArchitectureChecker, RefusesAnIncludeOfNothing) {
  EXPECT_EQ(violations({source("src/nn/gpt.cpp", include("kiln/nn/gtp.h"))}),
            "src/nn/gpt.cpp:2: \"kiln/nn/gtp.h\": there is no such file\n");
  EXPECT_THAT(violations({header("tests/support/random.h"), source("src/nn/gpt.cpp", include("support/random.h"))}),
              HasSubstr("no such file"));
}

TEST(ArchitectureChecker, RefusesALibraryThroughAnotherDoor) {
  EXPECT_EQ(violations({source("src/kernels/linear.cpp", "#include <librsvg/rsvg.h>\n")}),
            "src/kernels/linear.cpp:2: <librsvg/rsvg.h>: plot/picture alone draws pixels\n");
  EXPECT_THAT(violations({header("include/kiln/train/trainer.h", "#include <CLI/CLI.hpp>\n")}), HasSubstr("top floor"));
  EXPECT_THAT(violations({source("src/infer/generate.cpp", "#include <spdlog/spdlog.h>\n")}),
              HasSubstr("the library reports through core/report"));
}

TEST(ArchitectureChecker, RefusesEffectsBelowTheTopFloor) {
  EXPECT_EQ(violations({source("src/train/trainer.cpp", "\nvoid f() { set_threads(2); }\n")}),
            "src/train/trainer.cpp:3: set_threads(: the top floor alone changes the process and prints\n");
  EXPECT_EQ(violations({source("src/cli/train.cpp", "void f() { set_threads(2); }\n"),
                        source("src/core/threads.cpp", "void set_threads() {}\n")}),
            "");
}

TEST(ArchitectureChecker, RefusesAFolderWithoutAFloor) {
  EXPECT_THAT(violations({source("src/misc/helpers.cpp")}),
              StartsWith("src/misc/helpers.cpp:0: the folder stands on no"));
  EXPECT_THAT(violations({source("src/main.cpp")}), StartsWith("src/main.cpp:0: "));
}

TEST(ArchitectureChecker, RefusesFilesOfTheWrongForm) {
  EXPECT_EQ(violations({{"include/kiln/nn/init.h", "// A purpose.\n// #pragma once is forgotten\n"}}),
            "include/kiln/nn/init.h:1: a header has #pragma once\n");
  EXPECT_EQ(violations({{"src/nn/init.cpp", "#include <vector>\n"}}),
            "src/nn/init.cpp:1: a file opens with a // comment that says its purpose in one sentence\n");
  const std::string lines(kMaxLines - 1, '\n');
  EXPECT_EQ(violations({source("src/nn/init.cpp", lines)}), "");
  EXPECT_THAT(violations({source("src/nn/init.cpp", lines + "int last;")}),
              StartsWith("src/nn/init.cpp:451: the file has 451 lines"));
}

TEST(ArchitectureChecker, FindsIncludesAndPassesOverComments) {
  const std::vector<Include> includes = find_includes(
      "// #include \"a.h\"\n\n#include \"b.h\"\n#include <c>\n#define include \"d.h\"\n# include \"e.h\"");
  std::vector<std::string> found;
  for (const Include& one : includes) {
    found.push_back(std::to_string(one.line) + (one.quoted ? "\"" : "<") + one.target);
  }
  EXPECT_THAT(found, ElementsAre("3\"b.h", "4<c", "6\"e.h"));
}

}  // namespace
}  // namespace kiln::architecture
