// Pieces in, whole characters out, up to a stop text.
#include "kiln/infer/text_stream.h"

#include "kiln/core/rng.h"
#include "kiln/core/utf8.h"

#include <gtest/gtest.h>

#include "support/scratch.h"

namespace kiln {
namespace {

using testing::expect_error;

struct Streamed {
  std::vector<std::string> pieces;
  std::string text;
  bool stopped = false;
};

Streamed stream(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  TextStream stream(stops);
  Streamed out;
  for (const std::string& piece : pieces) out.pieces.push_back(stream.push(piece));
  out.pieces.push_back(stream.finish());
  for (const std::string& piece : out.pieces) out.text += piece;
  out.stopped = stream.stopped();
  return out;
}

std::vector<std::string> cut_at_random(std::string_view text, Rng& rng) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const std::size_t length = std::min<std::size_t>(rng.below(6), text.size());
    pieces.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return pieces;
}

TEST(TextStream, HoldsBackHalfACharacter) {
  const Streamed out = stream({}, {"a\xE2", "\x82",
                                   "\xAC"
                                   "b",
                                   "\xF0\x9F\x8E", "\x89"});
  EXPECT_EQ(out.pieces, (std::vector<std::string>{"a", "", "€b", "", "🎉", ""}));
}

TEST(TextStream, BytesOfNoCharacterAreReplaced) {
  EXPECT_EQ(stream({}, {"a\xFF", "b"}).text, "a\uFFFDb");
  EXPECT_EQ(stream({}, {"a\xE2\x82", "b"}).text, "a\uFFFD\uFFFDb");
  EXPECT_EQ(stream({}, {"a\xE2\x82"}).pieces, (std::vector<std::string>{"a", "\uFFFD\uFFFD"}));
}

TEST(TextStream, HoldsBackWhatMayBeginAStopText) {
  const Streamed out = stream({"\n\nEnd"}, {"one\n", "\nE", "ast\n\n", "\nEn", "d of it"});
  EXPECT_EQ(out.pieces, (std::vector<std::string>{"one", "", "\n\nEast", "\n", "", ""}));
  EXPECT_TRUE(out.stopped);
}

TEST(TextStream, WhatOnlyBeganAStopTextComesAtTheEnd) {
  const Streamed out = stream({"STOP"}, {"go on, STO"});
  EXPECT_EQ(out.pieces, (std::vector<std::string>{"go on, ", "STO"}));
  EXPECT_FALSE(out.stopped);
}

TEST(TextStream, TheStopTextCompleteFirstCounts) {
  EXPECT_EQ(stream({"bc", "abcd"}, {"xabcd"}).text, "xa");
  EXPECT_EQ(stream({"abcd", "bc"}, {"xab", "cd"}).text, "xa");
  EXPECT_EQ(stream({"bcd", "abcd"}, {"xabcd"}).text, "x") << "complete at once: the longer";
  EXPECT_EQ(stream({"aab"}, {"aaa", "ab"}).text, "aa");
}

TEST(TextStream, NothingComesAfterAStop) {
  EXPECT_EQ(stream({"."}, {"One. Two.", " Three."}).pieces, (std::vector<std::string>{"One", "", ""}));
}

TEST(TextStream, ACharacterCutByAStopTextIsReplaced) { EXPECT_EQ(stream({"\x82"}, {"\xE2\x82\xAC"}).text, "\uFFFD"); }

TEST(TextStream, AnEmptyStopTextIsRefused) {
  expect_error(ExitCode::usage, "a stop text is empty; give it at least one character", [] { TextStream({"a", ""}); });
}

TEST(TextStream, RandomBytesCutAnywhereGiveTheSameValidText) {
  Rng rng(3, "test");
  const std::vector<std::string> alphabet{"a", "b", "é", "€", "🎉", "\x80", "\xF0\x9F", "\xC3", "\n"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (int i = 0; i < 20; ++i) text += alphabet[rng.below(alphabet.size())];
    std::vector<std::string> stops;
    for (std::uint64_t i = rng.below(3); i-- > 0;) {
      stops.push_back(alphabet[rng.below(alphabet.size())] + alphabet[rng.below(alphabet.size())] +
                      alphabet[rng.below(3)]);
    }
    const std::string whole = stream(stops, {text}).text;
    if (stops.empty()) {
      EXPECT_EQ(whole, utf8_replace_invalid(text));
    }
    const Streamed cut = stream(stops, cut_at_random(text, rng));
    EXPECT_EQ(cut.text, whole);
    for (const std::string& piece : cut.pieces) EXPECT_EQ(utf8_valid_until(piece), piece.size());
    for (const std::string& stop : stops) {
      if (utf8_valid_until(stop) == stop.size()) {
        EXPECT_EQ(whole.find(stop), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace kiln
