// Each condition's exit code, which scripts rely on.
#include "kiln/core/error.h"

#include <gtest/gtest.h>

#include "support/scratch.h"

namespace kiln {
namespace {

using testing::expect_error;

TEST(Error, ExitCodesAreTheDocumentedNumbers) {
  EXPECT_EQ(static_cast<int>(ExitCode::ok), 0);
  EXPECT_EQ(static_cast<int>(ExitCode::failure), 1);
  EXPECT_EQ(static_cast<int>(ExitCode::usage), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::bad_input), 3);
  EXPECT_EQ(static_cast<int>(ExitCode::diverged), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::io), 5);
}

TEST(Error, ConditionsThrowTheirCodeWithTheFormattedText) {
  expect_error(ExitCode::usage, "a.json: 3 heads", [] { check(false, "{}: {} heads", "a.json", 3); });
  expect_error(ExitCode::bad_input, "a.bin: odd", [] { check_input(false, "{}: odd", "a.bin"); });
  expect_error(ExitCode::io, "disk full", [] { check_io(false, "disk full"); });
  expect_error(ExitCode::diverged, "step 7", [] { fail(ExitCode::diverged, "step {}", 7); });
}

TEST(Error, ConditionsThatHoldThrowNothing) {
  EXPECT_NO_THROW(check(true, "no"));
  EXPECT_NO_THROW(check_input(true, "no"));
  EXPECT_NO_THROW(check_io(true, "no"));
}

}  // namespace
}  // namespace kiln
