// How problems are listed, and whose they are said to be.
#include "kiln/core/problems.h"

#include <gtest/gtest.h>

#include "support/scratch.h"

namespace kiln {
namespace {

TEST(Problems, AreListedInOrderALineEach) {
  Problems problems;
  EXPECT_TRUE(problems.empty());
  EXPECT_NO_THROW(problems.throw_if_any("a.json"));
  problems.add("/model/n_heads", "{} is out of range", -3);
  problems.add("", "an object is expected");
  EXPECT_FALSE(problems.empty());
  testing::expect_error(ExitCode::usage, "a.json: /model/n_heads: -3 is out of range\na.json: an object is expected",
                        [&] { problems.throw_if_any("a.json"); });
  testing::expect_error(ExitCode::bad_input, problems.text("b.json"),
                        [&] { problems.throw_if_any("b.json", ExitCode::bad_input); });
}

TEST(Problems, AreThoseOfAPointerAndBelow) {
  Problems problems;
  problems.add("/model/init/std", "x");
  EXPECT_TRUE(problems.has(""));
  EXPECT_TRUE(problems.has("/model"));
  EXPECT_TRUE(problems.has("/model/init/std"));
  EXPECT_FALSE(problems.has("/model/init/st"));
  EXPECT_FALSE(problems.has("/mode"));
  EXPECT_FALSE(problems.has("/model/init/std/x"));
}

TEST(Problems, BelongToTheSourceOfTheirPointerTheLastOneFirst) {
  Problems problems;
  problems.attribute("/a", "--set a=1");
  problems.attribute("/a", "--set a=2");
  problems.attribute("/b/c", "--set b.c=3");
  problems.add("/a", "x");
  problems.add("/a/below", "x");
  problems.add("/ab", "x");
  problems.add("/b", "x");
  EXPECT_EQ(problems.text("f"), "--set a=2: /a: x\n--set a=2: /a/below: x\nf: /ab: x\nf: /b: x");
}

TEST(Problems, PointersEscapeTheirTwoSpecialCharacters) {
  EXPECT_EQ(child_pointer("", "a"), "/a");
  EXPECT_EQ(child_pointer("/a", "b/c~d"), "/a/b~1c~0d");
  EXPECT_EQ(child_pointer("", ""), "/");
}

}  // namespace
}  // namespace kiln
