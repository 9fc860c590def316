// Lines broken between words.
#include "kiln/core/wrapped_text.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(WrappedText, BreaksLinesAtSpaces) {
  EXPECT_EQ(wrapped("one two three", 9, "  "), "one two\n  three");
  EXPECT_EQ(wrapped("one two three", 7, ""), "one two\nthree");
  EXPECT_EQ(wrapped("one\n\n  two three", 9, "> "), "one\n> \n>   two\n> three");
  EXPECT_EQ(wrapped("", 9, "> "), "");
  EXPECT_EQ(wrapped("one verylongword two", 6, ""), "one\nverylongword\ntwo") << "a word is not broken";
  EXPECT_EQ(wrapped("\u6f22\u5b57 \u6f22\u5b57", 5, ""), "\u6f22\u5b57\n\u6f22\u5b57") << "wide characters";
  EXPECT_EQ(wrapped("a  b", 3, ""), "a\nb");
  EXPECT_EQ(wrapped("a  b  ", 4, ""), "a  b");
  EXPECT_EQ(wrapped("one\n", 9, "> "), "one");
  EXPECT_EQ(wrapped("one two", 1, "    "), "one\n    two") << "there is no room at all";
}

}  // namespace
}  // namespace kiln
