// kiln serve's options of the page of runs: mistakes, and whose work the pages contain.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/process.h"

namespace kiln {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::run_kiln;
using ::testing::StartsWith;

TEST(ServeRuns, NeedsAModelOrAFolderOfRuns) {
  const Outcome neither = run_kiln({"serve"});
  EXPECT_EQ(neither.code, 2);
  EXPECT_THAT(neither.err, HasSubstr("name a model to serve"));
  const Outcome missing = run_kiln({"serve", "--runs", "no/such/folder"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("--runs: no/such/folder: there is no such folder"));
}

TEST(ServeRuns, PrintsTheLicencesOfThePages) {
  const Outcome outcome = run_kiln({"serve", "--licenses"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, AnyOf(StartsWith("dygraphs\n"), "the pages contain no library of others\n"));
}

}  // namespace
}  // namespace kiln
