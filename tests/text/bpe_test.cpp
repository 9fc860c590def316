// Encoding against tiktoken's ids, and the fast ways against the plain one.
#include "kiln/text/bpe.h"

#include "kiln/text/bpe_trainer.h"

#include "fixtures.h"
#include "support/sanitized.h"
#include <algorithm>
#include <map>
#include <memory>

namespace kiln {
namespace {

using Ids = std::vector<TokenId>;
using testing::encode_pieces;

/// The oracle: of all neighbours that may merge, the lowest rank, leftmost; again from the start after each merge.
Ids encode_naively(const Bpe& bpe, std::string_view piece) {
  Ids ids;
  for (const char byte : piece) {
    const auto at = std::ranges::find(bpe.tokens(), std::string(1, byte)) - bpe.tokens().begin();
    ids.push_back(static_cast<TokenId>(at));
  }
  for (const Merge& merge : bpe.merges()) {  // ranks only ever rise in a trained vocabulary
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      if (ids[i] != merge.left || ids[i + 1] != merge.right) continue;
      ids[i] = merge.result;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
  }
  return ids;
}

Bpe small_bpe() {
  const std::vector<std::string_view> text{"abababab cabcabc aaaaaaaa bbbb aabb cc abc abca bcbcbc aab abb acacac"};
  return train_bpe(count_pieces(SplitPattern::gpt2, text), 40);
}

Ids encode_one(const Bpe& bpe, std::string_view piece) {
  Ids ids;
  Bpe::Cache cache;
  bpe.encode_piece(piece, cache, ids);
  return ids;
}

TEST(Bpe, SeventeenZerosInGpt2) {
  EXPECT_EQ(encode_one(testing::reference_bpe("gpt2.json"), "00000000000000000"), (Ids{8269, 10535, 830}));
}

TEST(Bpe, IdsAreTiktokens) {
  for (const auto& [name, pattern] :
       std::map<std::string, SplitPattern>{{"gpt2.json", SplitPattern::gpt2}, {"cl100k.json", SplitPattern::cl100k}}) {
    const Bpe bpe = testing::reference_bpe(name);
    for (const testing::Case& reference : testing::reference_cases(name)) {
      EXPECT_EQ(encode_pieces(bpe, pattern, reference.text), reference.ids)
          << name << ": " << reference.text.substr(0, 200);
    }
  }
}

TEST(Bpe, ScanHeapAndWindowsAgreeWithThePlainWay) {
  const Bpe bpe = small_bpe();
  Rng rng(3, "bpe");
  const auto random_piece = [&](std::size_t length, std::uint64_t letters) {
    std::string piece;
    for (std::size_t i = 0; i < length; ++i) piece += static_cast<char>('a' + rng.below(letters));
    return piece;
  };
  for (std::size_t length = 1; length < 200; ++length) {
    const std::string piece = random_piece(length, 1 + length % 3);
    ASSERT_EQ(encode_one(bpe, piece), encode_naively(bpe, piece)) << piece;
  }
  for (const std::uint64_t letters : {1u, 2u, 3u}) {
    for (const std::size_t length : {(1u << 14) + 1, 50000u, 65536u, 100001u}) {
      if (testing::kSanitized && length > 20000) continue;
      const std::string piece = random_piece(length, letters);
      ASSERT_EQ(encode_one(bpe, piece), encode_naively(bpe, piece)) << letters << " letters, " << length << " bytes";
    }
  }
}

TEST(Bpe, PeriodicPiecesLongerThanAWindow) {
  const Bpe bpe = small_bpe();
  for (const std::string_view period : {"ab", "abc", "aab", "abcabca", "aaaaaaab"}) {
    std::string piece;
    while (piece.size() < (testing::kSanitized ? 20000 : 60000)) piece += period;
    EXPECT_EQ(encode_one(bpe, piece), encode_naively(bpe, piece)) << period;
  }
}

/// Neighbours merge from the right to the left, two by two: where a window ends decides on its very first token.
TEST(Bpe, PiecesWhoseEndDecidesOnTheirBeginning) {
  for (const TokenId units : {2000, 4000, 4001, 9000, 9001}) {  // of two bytes, one below 128 and one above
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    std::vector<Merge> merges;
    const auto merge = [&](TokenId left, TokenId right) {
      merges.push_back({left, right, static_cast<TokenId>(tokens.size())});
      tokens.push_back(tokens[static_cast<std::size_t>(left)] + tokens[static_cast<std::size_t>(right)]);
    };
    for (TokenId i = 0; i < units; ++i) merge(i / 128, 128 + i % 128);
    for (TokenId i = units - 2; i >= 0; --i) merge(256 + i, 256 + i + 1);
    std::string piece;
    for (TokenId i = 0; i < units; ++i) piece += tokens[static_cast<std::size_t>(i) + 256];
    Ids expected;
    if (units % 2 == 1) expected.push_back(256);
    for (TokenId i = units % 2; i < units; i += 2) expected.push_back(256 + units + (units - 2 - i));
    EXPECT_EQ(encode_one(Bpe(tokens, merges), piece), expected) << units << " units";
  }
}

TEST(Bpe, CacheGivesTheSameIdsAgain) {
  const Bpe bpe = small_bpe();
  Bpe::Cache cache;
  Rng rng(4, "cache");
  for (int round = 0; round < (testing::kSanitized ? 500 : 5000); ++round) {
    std::string piece;
    for (std::size_t i = 1 + rng.below(40); i > 0; --i)
      piece += static_cast<char>(rng.below(4) == 0 ? 0 : 'a' + rng.below(3));
    Ids ids;
    bpe.encode_piece(piece, cache, ids);
    ASSERT_EQ(ids, encode_one(bpe, piece));
  }
}

TEST(Bpe, PiecesTogetherAreThePiecesOneByOne) {
  const Bpe bpe = small_bpe();
  Rng rng(6, "batches");
  Bpe::Cache one_by_one, together;
  for (int round = 0; round < 300; ++round) {
    const std::size_t size = 1 + rng.below(3000);
    const auto text = std::make_unique<char[]>(size);  // ends where its bytes end: the sanitizers see a byte too far
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(rng.below(4) == 0 ? 0 : 'a' + rng.below(3));
    const std::string_view whole(text.get(), size);
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0; at < size; at += pieces.back().size()) {
      pieces.push_back(whole.substr(at, 1 + rng.below(rng.below(8) == 0 ? 100 : 12)));  // some too long for the cache
    }
    Ids expected, ids;
    for (const std::string_view piece : pieces) bpe.encode_piece(piece, one_by_one, expected);
    bpe.encode_pieces(whole, pieces, together, ids);
    ASSERT_EQ(ids, expected);
  }
}

// 20 MB without a break are one piece: exact, and without a list of 20 million nodes.
TEST(Bpe, OnePieceOfManyMegabytes) {
  const Bpe bpe = testing::reference_bpe("gpt2.json");
  const std::string piece(testing::kSanitized ? 1000000 : 20000000, 'a');
  const Ids ids = encode_one(bpe, piece);
  std::size_t bytes = 0;
  for (const TokenId id : ids) bytes += bpe.tokens()[static_cast<std::size_t>(id)].size();
  EXPECT_EQ(bytes, piece.size());
  EXPECT_TRUE(std::equal(ids.begin() + 1, ids.end() - 10, ids.begin()));
}

TEST(Bpe, WholePiecesGoBeforeMerges) {
  const Bpe trained = small_bpe();
  std::vector<std::string> tokens = trained.tokens();
  tokens.push_back("zzz");  // which no merge makes
  const auto id = static_cast<TokenId>(tokens.size() - 1);
  EXPECT_EQ(encode_one(Bpe(tokens, trained.merges(), true), "zzz"), Ids{id});
  EXPECT_EQ(encode_one(Bpe(tokens, trained.merges(), false), "zzz").size(), 3u);
}

TEST(Bpe, NeedsEveryByte) {
  testing::expect_error(ExitCode::bad_input, {"byte 0x00", "256"}, [] { Bpe({"a", "b"}, {}); });
}

}  // namespace
}  // namespace kiln
