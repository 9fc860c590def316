// Characters and what only looks like them.
#include "kiln/core/utf8.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(Utf8, EveryCodePointGoesThereAndBack) {
  for (char32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) continue;
    const std::string text = utf8_encode(code_point);
    ASSERT_EQ(utf8_length(text, 0), text.size());
    ASSERT_EQ(utf8_decode(text, 0, text.size()), code_point);
  }
}

TEST(Utf8, RefusesWhatIsNoCharacter) {
  for (const std::string_view text :
       {"\x80", "\xBF", "\xC0\xAF", "\xC1\xBF", "\xC3", "\xC3 ", "\xE0\x9F\xBF", "\xE2\x82", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
    EXPECT_EQ(utf8_length(text, 0), 0u);
    EXPECT_EQ(utf8_valid_until(text), 0u);
  }
}

TEST(Utf8, ValidStretchEndsAtTheFirstBadByte) {
  const std::string good = "plain ASCII of some length, then é and 中 and 😀";
  EXPECT_EQ(utf8_valid_until(good), good.size());
  EXPECT_EQ(utf8_valid_until(good + "\xFF" + good), good.size());
  EXPECT_EQ(utf8_valid_until(good + "\xFF" + good, good.size() + 1), 2 * good.size() + 1);
}

TEST(Utf8, EachBadByteBecomesAReplacementCharacter) {
  EXPECT_EQ(utf8_replace_invalid("a\xFF\xE2\x82z"), "a\uFFFD\uFFFD\uFFFDz");
  EXPECT_EQ(utf8_replace_invalid(""), "");
}

TEST(Utf8, HoldsBackTheBeginningOfACharacter) {
  EXPECT_EQ(utf8_incomplete_tail(""), 0u);
  EXPECT_EQ(utf8_incomplete_tail("abc"), 0u);
  EXPECT_EQ(utf8_incomplete_tail("é"), 0u);
  EXPECT_EQ(utf8_incomplete_tail("a\xC3"), 1u);
  EXPECT_EQ(utf8_incomplete_tail("a\xE2\x82"), 2u);
  EXPECT_EQ(utf8_incomplete_tail("a\xF0\x9F\x98"), 3u);
  EXPECT_EQ(utf8_incomplete_tail("a\xED\xA0"), 0u) << "a surrogate can never be completed";
  EXPECT_EQ(utf8_incomplete_tail("\x80\x80\x80\x80"), 0u);
}

}  // namespace
}  // namespace kiln
