// Every seed of corpus/ and every past finding of found/, through its target: what a fuzzer once tried stays tried.
#include "kiln/core/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "target.h"
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace kiln::fuzz {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

const fs::path kHere = fs::path(KILN_SOURCE_DIR) / "tests/fuzz";

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code none;  // a target may have no findings
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, none)) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

class Replay : public ::testing::TestWithParam<Target> {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }
  void TearDown() override { spdlog::set_level(spdlog::level::info); }

  /// The number of files that were taken; a finding fails the test.
  static std::ptrdiff_t count_taken(const std::vector<fs::path>& files) {
    return std::ranges::count_if(files, [](const fs::path& file) {
      SCOPED_TRACE(file.string());
      bool taken = false;
      EXPECT_NO_THROW(taken = attempt(GetParam(), read_file(file)));
      return taken;
    });
  }
};

TEST_P(Replay, SeedsAreTakenOrRefused) {
  const std::vector<fs::path> seeds = files_of(kHere / "corpus" / GetParam().name);
  const std::ptrdiff_t taken = count_taken(seeds);
  EXPECT_GE(taken, 1) << "no seed comes past the checks";
  EXPECT_GE(std::ssize(seeds) - taken, GetParam().name == "prompt" ? 0 : 1)
      << "no seed tries them";  // any bytes are one
}

TEST_P(Replay, PastFindingsAreNone) { count_taken(files_of(kHere / "found" / GetParam().name)); }

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, ::testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param.name); });

TEST(FuzzTargets, FoldersAreThoseOfTargets) {
  for (const char* folder : {"corpus", "found"}) {
    for (const fs::path& of_target : files_of(kHere / folder)) {
      EXPECT_NO_THROW(find_target(of_target.filename().string())) << of_target;
    }
  }
}

/// What attempt() makes of a target that ends in this way.
std::string outcome(void (*run)(std::string_view)) {
  try {
    return attempt({"test", run}, "") ? "taken" : "refused";
  } catch (const Finding& finding) {
    return std::string("finding: ") + finding.what();
  }
}

TEST(FuzzTargets, OnlyAnErrorThatAUserCanActOnIsARefusal) {
  EXPECT_EQ(outcome([](std::string_view) {}), "taken");
  EXPECT_EQ(outcome([](std::string_view) { fail(ExitCode::bad_input, "bad"); }), "refused");
  EXPECT_THAT(outcome([](std::string_view) { fail(ExitCode::failure, "bug"); }), HasSubstr("finding: not the input"));
  EXPECT_THAT(outcome([](std::string_view) { fail(ExitCode::io, "disk"); }), HasSubstr("finding: not the input"));
  EXPECT_THAT(outcome([](std::string_view) { throw Error(ExitCode::usage, "\xFF"); }), HasSubstr("no text"));
  EXPECT_THAT(outcome([](std::string_view) { must([] { check(false, "no"); }); }), HasSubstr("after it was taken"));
  EXPECT_THAT(outcome([](std::string_view) { require(false, "wrong"); }), HasSubstr("finding: wrong"));
  EXPECT_THROW(outcome([](std::string_view) { throw std::length_error("vector"); }), std::length_error);
}

TEST(FuzzTargets, APathThatLeadsOutIsAFinding) {
  const Folder folder;
  folder.put("in/file", "");
  folder.put("out", "");
  fs::create_symlink("../out", folder.path() / "in/link");
  require_within(folder.path() / "in", folder.path() / "in/../in/file");
  EXPECT_THROW(require_within(folder.path() / "in", folder.path() / "in/link"), Finding);
  EXPECT_THROW(require_within(folder.path() / "in", folder.path() / "in/../out"), Finding);
}

}  // namespace
}  // namespace kiln::fuzz
