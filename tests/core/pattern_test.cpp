// Regular expressions: what they match, and texts that are none.
#include "kiln/core/pattern.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include <string>

namespace kiln {
namespace {

TEST(Pattern, FindsTheFirstMatchFromAPlaceOnInAnyCase) {
  const Pattern pattern("b+");
  const std::optional<Pattern::Match> first = pattern.find("aBb bb");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->begin, 1U);
  EXPECT_EQ(first->end, 3U);
  EXPECT_EQ(pattern.find("aBb bb", 3)->begin, 4U);
  EXPECT_FALSE(pattern.find("aBb bb", 6));
  EXPECT_FALSE(pattern.find("aBb bb", 7));
  EXPECT_FALSE(pattern.find(""));
  EXPECT_TRUE(Pattern("^$").find(""));
  EXPECT_TRUE(Pattern("b$").find(std::string_view("a\0b", 3)));
}

TEST(Pattern, ATextThatIsNoneIsRefused) {
  testing::expect_error_with(ExitCode::usage, {"\"a(b\" is no regular expression: "}, [] { Pattern("a(b"); });
  EXPECT_FALSE(Pattern::problem("a|b"));
  testing::expect_error_with(ExitCode::usage, {"holds the character NUL"}, [] { Pattern(std::string("a\0b", 3)); });
}

}  // namespace
}  // namespace kiln
