// Pieces against PCRE2 alone, and what must stay linear.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "kiln/text/pretokenizer.h"

#include <pcre2.h>

#include "fixtures.h"
#include "support/sanitized.h"

namespace kiln {
namespace {

using Pieces = std::vector<std::string_view>;
using testing::random_text;

const std::vector<SplitPattern> kAll{SplitPattern::gpt2, SplitPattern::cl100k, SplitPattern::gpt2_digits};

constexpr std::string_view kSpaces =
    R"(\t-\r\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

/// The matches of a regular expression over the whole text, invalid UTF-8 left to PCRE2, bytes between matches alone
/// or, with `runs`, together.
Pieces matches(const std::string& regex, std::string_view text, bool runs = false) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(regex.data()), regex.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_INVALID_UTF, &error, &offset, nullptr);
  EXPECT_NE(code, nullptr);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  Pieces pieces;
  std::size_t at = 0;
  while (at < text.size()) {
    const int count = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, 0, data, nullptr);
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
    const std::size_t begin = count > 0 ? ends[0] : text.size(), end = count > 0 ? ends[1] : text.size();
    for (std::size_t size = runs ? begin - at : 1; at < begin; at += size) pieces.push_back(text.substr(at, size));
    if (end > begin) pieces.push_back(text.substr(begin, end - begin));
    at = end;
  }
  pcre2_match_data_free(data);
  pcre2_code_free(code);
  return pieces;
}

/// The oracle: the pattern by PCRE2 alone; that of single digits in two passes, as Hugging Face's pre-tokenizers.
Pieces pieces_by_pcre2(SplitPattern pattern, std::string_view text) {
  const std::string inner(kSpaces), space = "[" + inner + "]";
  if (pattern == SplitPattern::gpt2_digits) {
    Pieces pieces;
    for (const std::string_view part : matches(R"(\p{N})", text, true)) {
      for (const std::string_view piece : pieces_by_pcre2(SplitPattern::gpt2, part)) pieces.push_back(piece);
    }
    return pieces;
  }
  return matches(pattern == SplitPattern::gpt2
                     ? R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" + inner + R"(\p{L}\p{N}]+|)" + space +
                           "+(?![^" + inner + "])|" + space + "+"
                     : R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^)" + inner +
                           R"(\p{L}\p{N}]+[\r\n]*|)" + space + R"(*[\r\n]+|)" + space + "+(?![^" + inner + "])|" +
                           space + "+",
                 text);
}

TEST(Pretokenizer, CutsAsGpt2Does) {
  EXPECT_EQ(split_pieces(SplitPattern::gpt2, "Hello, it's 42  degrees \n\n x"),
            (Pieces{"Hello", ",", " it", "'s", " 42", " ", " degrees", " \n\n", " x"}));
  EXPECT_EQ(split_pieces(SplitPattern::gpt2, ""), Pieces{});
}

TEST(Pretokenizer, CutsAsCl100kDoes) {
  EXPECT_EQ(split_pieces(SplitPattern::cl100k, "I'LL say:\n\n12345 (yes) \n x"),
            (Pieces{"I", "'LL", " say", ":\n\n", "123", "45", " (", "yes", ")", " \n", " x"}));
}

TEST(Pretokenizer, CutsDigitsForThemselves) {
  EXPECT_EQ(split_pieces(SplitPattern::gpt2_digits, "it's 42  degrees  7\n x"),
            (Pieces{"it", "'s", " ", "4", "2", " ", " degrees", "  ", "7", "\n", " x"}));
}

TEST(Pretokenizer, AgreesWithPcre2OnRandomBytes) {
  Rng rng(7, "pretokenizer");
  for (int round = 0; round < 3000; ++round) {
    const std::string text = random_text(rng, 1 + rng.below(40));
    for (const SplitPattern pattern : kAll) {
      ASSERT_EQ(split_pieces(pattern, text), pieces_by_pcre2(pattern, text)) << ::testing::PrintToString(text);
    }
  }
}

TEST(Pretokenizer, AgreesWithPcre2OnAllBytesInAllNeighbourhoods) {
  std::string text;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second)
      text += {static_cast<char>(first), static_cast<char>(second), 'a', ' '};
  }
  for (const SplitPattern pattern : kAll) EXPECT_EQ(split_pieces(pattern, text), pieces_by_pcre2(pattern, text));
}

TEST(Pretokenizer, BytesOfNoCharacterStandAlone) {
  EXPECT_EQ(split_pieces(SplitPattern::gpt2, "ab\xE2\x82 c\xFF\xFE"),
            (Pieces{"ab", "\xE2", "\x82", " c", "\xFF", "\xFE"}));
}

TEST(Pretokenizer, SharesHaveThePiecesOfTheWhole) {
  Rng rng(8, "shares");
  for (int round = 0; round < 300; ++round) {
    const std::string text = random_text(rng, 200);
    for (const SplitPattern pattern : kAll) {
      Pieces pieces;
      const Pieces shares = split_shares(text, 1 + rng.below(60));
      for (const std::string_view share : shares) {
        for (const std::string_view piece : split_pieces(pattern, share)) pieces.push_back(piece);
      }
      ASSERT_EQ(pieces, split_pieces(pattern, text)) << ::testing::PrintToString(text);
    }
  }
}

TEST(Pretokenizer, ReadsAsManyPiecesAsAskedFor) {
  PieceReader reader(SplitPattern::gpt2, "one two three");
  Pieces pieces(2);
  EXPECT_EQ(reader.read(pieces), 2u);
  EXPECT_EQ(pieces, (Pieces{"one", " two"}));
  EXPECT_EQ(reader.read(pieces), 1u);
  EXPECT_EQ(pieces[0], " three");
  EXPECT_EQ(reader.read(pieces), 0u);
}

// Shares of one byte are cut at every place that is certain, each white space among the neighbours.
TEST(Pretokenizer, EveryCertainCutIsBetweenPieces) {
  const std::vector<std::string> parts{"",         " ",        "\n",       "\r",       "\t",     "a",      "1",
                                       ".",        "'",        "\x01",     "中",       "。",     "é",      "٣",
                                       "\xC2\x85", "\xC2\xA0", "\u1680",   "\u2009",   "\u2028", "\u205F", "\u3000",
                                       "\xE3\x80", "\xFF",     "\xE2\x80", "\xF0\x9F", "\x80"};
  for (const std::string& before : parts) {
    for (const std::string& first : parts) {
      for (const std::string_view space : {"\n", " ", "\n\n", " \n"}) {
        for (const std::string& after : parts) {
          const std::string text = before + first + std::string(space) + after + "b";
          for (const SplitPattern pattern : kAll) {
            Pieces pieces;
            for (const std::string_view share : split_shares(text, 1)) {
              for (const std::string_view piece : split_pieces(pattern, share)) pieces.push_back(piece);
            }
            ASSERT_EQ(pieces, split_pieces(pattern, text)) << ::testing::PrintToString(text);
          }
        }
      }
    }
  }
}

TEST(Pretokenizer, LinesOfWritingsWithoutSpacesAreShared) {
  std::string text;
  while (text.size() < 100000) text += "天地玄黄，宇宙洪荒。\n";
  EXPECT_GE(split_shares(text, 1000).size(), 90u);
}

TEST(Pretokenizer, SharesAreOfTheSizeAskedFor) {
  std::string text;
  while (text.size() < 100000) text += "some words and, well, signs. ";
  const Pieces shares = split_shares(text, 1000);
  EXPECT_GE(shares.size(), 98u);
  EXPECT_TRUE(split_shares("", 1000).empty());
}

// One piece of a million characters is as good as any: nothing is looked at time and again, no stack runs out.
TEST(Pretokenizer, MillionsOfTheSameInLinearTime) {
  constexpr std::size_t kMany = testing::kSanitized ? 100'000 : 1'000'000;
  for (const std::string_view unit :
       {" ", "\n", "a", "1", "!", "\n ", "é", "中", "\u3000", "\u00A0", "٣", "“", "\xFF"}) {
    std::string text;
    for (std::size_t i = 0; i < kMany; ++i) text += unit;
    for (const std::string_view end : {"", "x", "é", "\xFF"}) {
      const std::string whole = text + std::string(end);
      for (const SplitPattern pattern : kAll) {
        std::size_t bytes = 0;
        for (const std::string_view piece : split_pieces(pattern, whole)) bytes += piece.size();
        EXPECT_EQ(bytes, whole.size());
      }
    }
  }
  const std::string spaces(kMany, ' ');
  EXPECT_EQ(split_pieces(SplitPattern::gpt2, spaces + "x"), (Pieces{std::string_view(spaces).substr(1), " x"}));
}

}  // namespace
}  // namespace kiln
