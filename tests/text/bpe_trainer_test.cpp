// Training against a trainer that counts everything again for each merge.
#include "kiln/text/bpe_trainer.h"

#include "kiln/core/threads.h"

#include "fixtures.h"
#include <algorithm>
#include <map>
#include <set>

namespace kiln {
namespace {

using Views = std::vector<std::string_view>;

std::map<std::string, std::int64_t> by_piece(const std::vector<PieceCount>& counts) {
  std::map<std::string, std::int64_t> result;
  for (const auto& [piece, count] : counts) result[std::string(piece)] += count;
  return result;
}

/// The oracle.
std::vector<Merge> train_naively(const std::vector<PieceCount>& pieces, std::size_t max_merges) {
  std::vector<std::string> tokens;
  std::map<char, TokenId> byte_ids;
  for (std::size_t id = 0; id < 256; ++id) {
    tokens.emplace_back(1, static_cast<char>(kByteOrder[id]));
    byte_ids[tokens.back()[0]] = static_cast<TokenId>(id);
  }
  std::map<std::vector<TokenId>, std::int64_t> words;
  for (const auto& [piece, count] : pieces) {
    std::vector<TokenId> word;
    for (const char byte : piece) word.push_back(byte_ids[byte]);
    words[word] += count;
  }
  std::vector<Merge> merges;
  std::set<std::pair<TokenId, TokenId>> passed_over;
  while (merges.size() < max_merges) {
    std::map<std::pair<TokenId, TokenId>, std::int64_t> counts;
    for (const auto& [word, count] : words) {
      for (std::size_t i = 1; i < word.size(); ++i) counts[{word[i - 1], word[i]}] += count;
    }
    std::pair<TokenId, TokenId> best;
    std::int64_t most = 1;
    for (const auto& [pair, count] : counts) {  // ascending pairs: the first of equals stays
      if (count > most && !passed_over.contains(pair)) std::tie(best, most) = std::pair(pair, count);
    }
    if (most < 2) break;
    const std::string bytes =
        tokens[static_cast<std::size_t>(best.first)] + tokens[static_cast<std::size_t>(best.second)];
    if (std::ranges::find(tokens, bytes) != tokens.end()) {
      passed_over.insert(best);
      continue;
    }
    const auto id = static_cast<TokenId>(tokens.size());
    tokens.push_back(bytes);
    merges.push_back({best.first, best.second, id});
    std::map<std::vector<TokenId>, std::int64_t> joined;
    for (const auto& [word, count] : words) {
      std::vector<TokenId> next;
      for (std::size_t i = 0; i < word.size(); ++i) {
        const bool match = i + 1 < word.size() && word[i] == best.first && word[i + 1] == best.second;
        next.push_back(match ? id : word[i]);
        i += match;
      }
      joined[next] += count;
    }
    words = joined;
  }
  return merges;
}

std::string fixture_text() {
  std::string text;
  for (const testing::Case& reference : testing::reference_cases("gpt2.json"))
    text += reference.text.substr(0, 400) + '\n';
  return text;
}

TEST(BpeTrainer, MergesAreThoseOfTheNaiveTrainer) {
  const std::string text = fixture_text();
  for (const SplitPattern pattern : {SplitPattern::gpt2, SplitPattern::cl100k, SplitPattern::gpt2_digits}) {
    const std::vector<PieceCount> pieces = count_pieces(pattern, Views{text});
    EXPECT_EQ(train_bpe(pieces, 300).merges(), train_naively(pieces, 300));
  }
}

TEST(BpeTrainer, MergesAreThoseOfTheNaiveTrainerOnRandomWords) {
  Rng rng(11, "words");
  for (int round = 0; round < 60; ++round) {
    std::string text;
    const std::uint64_t letters = 1 + rng.below(4);
    for (int word = 0; word < 40; ++word) {
      for (std::uint64_t i = 1 + rng.below(12); i > 0; --i) text += static_cast<char>('a' + rng.below(letters));
      text += ' ';
    }
    const std::vector<PieceCount> pieces = count_pieces(SplitPattern::gpt2, Views{text});
    ASSERT_EQ(train_bpe(pieces, 100).merges(), train_naively(pieces, 100)) << text;
  }
}

TEST(BpeTrainer, SameForAnyNumberOfThreads) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += fixture_text();
  const Views documents{text, std::string_view(text).substr(1000), "", "one more"};
  const int before = threads();
  set_threads(1);
  const auto counts = by_piece(count_pieces(SplitPattern::gpt2, documents));
  const std::vector<Merge> merges = train_bpe(count_pieces(SplitPattern::gpt2, documents), 500).merges();
  for (const int count : {2, 3, 7}) {
    set_threads(count);
    const std::vector<PieceCount> pieces = count_pieces(SplitPattern::gpt2, documents);
    EXPECT_EQ(by_piece(pieces), counts);
    EXPECT_EQ(train_bpe(pieces, 500).merges(), merges);
  }
  set_threads(before);
}

TEST(BpeTrainer, CountsEveryPiece) {
  const auto counts = by_piece(count_pieces(SplitPattern::gpt2, Views{"the cat the", " the \xFF\xFF"}));
  EXPECT_EQ(counts, (std::map<std::string, std::int64_t>{{"the", 1}, {" cat", 1}, {" the", 2}, {" ", 1}, {"\xFF", 2}}));
}

TEST(BpeTrainer, StopsWhereNoPairOccursTwice) {
  EXPECT_EQ(train_bpe(count_pieces(SplitPattern::gpt2, Views{"abc"}), 100).merges().size(), 0u);
  EXPECT_EQ(train_bpe(count_pieces(SplitPattern::gpt2, Views{"abab"}), 100).merges().size(), 1u);
  EXPECT_EQ(train_bpe({}, 100).merges().size(), 0u);
}

TEST(BpeTrainer, EqualCountsGoToTheSmallestIds) {
  // 'a' is id 64, 'b' 65 and so on: of ab, bc, cd, each three times, (a, b) is first.
  const Bpe bpe = train_bpe(count_pieces(SplitPattern::gpt2, Views{"cd\nbc\nab\ncd\nbc\nab\ncd\nbc\nab"}), 3);
  const std::vector<std::string> learnt(bpe.tokens().begin() + 256, bpe.tokens().end());
  EXPECT_EQ(learnt, (std::vector<std::string>{"ab", "bc", "cd"}));
}

TEST(BpeTrainer, NeverMakesAReservedToken) {
  const std::vector<std::string> reserved{"ab"};
  const Bpe bpe = train_bpe(count_pieces(SplitPattern::gpt2, Views{"abc abc abc"}), 100, reserved);
  EXPECT_EQ(std::ranges::find(bpe.tokens(), "ab"), bpe.tokens().end());
}

TEST(BpeTrainer, TextWithoutBreaksIsCountedInParts) {
  Rng rng(5, "letters");
  std::string text;
  for (int i = 0; i < 2000000; ++i) text += static_cast<char>('a' + rng.below(26));
  const std::vector<PieceCount> pieces = count_pieces(SplitPattern::gpt2, Views{text});
  EXPECT_EQ(pieces.size(), (text.size() + kLongestCounted - 1) / kLongestCounted);
  EXPECT_EQ(train_bpe(pieces, 300).merges().size(), 300u);
}

TEST(BpeTrainer, MillionSpaces) {
  const std::string text(1000000, ' ');
  const Bpe bpe = train_bpe(count_pieces(SplitPattern::gpt2, Views{text}), 100);
  EXPECT_EQ(bpe.tokens()[257], "    ");
}

}  // namespace
}  // namespace kiln
