// The orders of windows: complete, seeded, bounded, and the same from wherever a run resumes.
#include "kiln/data/batcher.h"

#include <gmock/gmock.h>

#include "support/scratch.h"
#include <map>
#include <numeric>
#include <set>

namespace kiln {
namespace {

using ::kiln::testing::expect_error;
using ::testing::ElementsAre;

/// Tokens 0, 1, 2, ..., so that a token says where it lies.
TokenFile counting(Index size) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(size));
  std::iota(tokens.begin(), tokens.end(), 0);
  TokenFileBuilder builder(1'000'000);
  builder.append(tokens);
  return TokenFile(builder.finish(), "counting");
}

std::vector<Index> starts(Batcher& batcher, Index first, Index count) {
  std::vector<Index> result;
  for (Index k = first; k < first + count; ++k) result.push_back(batcher.first_token(k));
  return result;
}

TEST(Batcher, TargetsAreTheInputsOnePositionOn) {
  Batcher batcher(counting(100), 4, DataOrder::sequential, 0);
  Batch batch;
  batcher.fill(2, 2, batch);
  ASSERT_EQ(batch.rows.sequences.size(), 2u);
  EXPECT_EQ(batch.rows.sequences[1].row, 4);
  EXPECT_EQ(batch.rows.sequences[1].length, 4);
  EXPECT_THAT(batch.rows.tokens, ElementsAre(8, 9, 10, 11, 12, 13, 14, 15));
  EXPECT_THAT(batch.rows.positions, ElementsAre(0, 1, 2, 3, 0, 1, 2, 3));
  EXPECT_THAT(batch.scored, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(batch.targets, ElementsAre(9, 10, 11, 12, 13, 14, 15, 16));
}

TEST(Batcher, SequentialWindowsLieEndToEndAndStartOver) {
  Batcher batcher(counting(14), 4, DataOrder::sequential, 0);
  EXPECT_EQ(batcher.windows_per_epoch(), 3);
  EXPECT_THAT(starts(batcher, 0, 5), ElementsAre(0, 4, 8, 0, 4));
}

TEST(Batcher, ShuffleVisitsEveryWindowOnceAnEpoch) {
  const Index T = 5, n = 503;  // 100 windows, 2 tokens of slack
  Batcher batcher(counting(n), T, DataOrder::shuffle, 7);
  const Index W = batcher.windows_per_epoch();
  ASSERT_EQ(W, 100);
  std::set<Index> shifts;
  std::set<std::vector<Index>> orders;
  for (Index epoch = 0; epoch < 40; ++epoch) {
    std::vector<Index> order = starts(batcher, epoch * W, W);
    std::vector<Index> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    const Index shift = sorted[0];
    for (Index i = 0; i < W; ++i) ASSERT_EQ(sorted[static_cast<std::size_t>(i)], shift + i * T);
    EXPECT_LE(sorted.back() + T + 1, n);
    EXPECT_NE(order, sorted);
    shifts.insert(shift);
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 40u);                  // no two epochs alike
  EXPECT_EQ(shifts, (std::set<Index>{0, 1, 2}));  // the tail is seen too
}

TEST(Batcher, ShuffleReachesEveryPermutationAboutEquallyOften) {
  Batcher batcher(counting(4), 1, DataOrder::shuffle, 3);  // 3 windows, no slack
  std::map<std::vector<Index>, int> count;
  for (Index epoch = 0; epoch < 6000; ++epoch) ++count[starts(batcher, epoch * 3, 3)];
  EXPECT_EQ(count.size(), 6u);
  for (const auto& [order, times] : count) EXPECT_NEAR(times, 1000, 150);
}

TEST(Batcher, SeedsGiveDifferentOrders) {
  for (DataOrder order : {DataOrder::shuffle, DataOrder::random}) {
    Batcher a(counting(1000), 3, order, 1), b(counting(1000), 3, order, 2), again(counting(1000), 3, order, 1);
    EXPECT_NE(starts(a, 0, 50), starts(b, 0, 50));
    EXPECT_EQ(starts(a, 0, 50), starts(again, 0, 50));
  }
}

TEST(Batcher, RandomStartsReachBothEndsAndGoNoFurther) {
  const Index T = 4, n = 12;  // starts 0 ... 7
  Batcher batcher(counting(n), T, DataOrder::random, 11);
  std::map<Index, int> count;
  for (Index start : starts(batcher, 0, 8000)) ++count[start];
  EXPECT_EQ(count.begin()->first, 0);
  EXPECT_EQ(count.rbegin()->first, n - T - 1);
  EXPECT_EQ(count.size(), 8u);
  for (const auto& [start, times] : count) EXPECT_NEAR(times, 1000, 150) << start;
}

TEST(Batcher, AResumedRunSeesTheSameBatches) {
  for (DataOrder order : {DataOrder::shuffle, DataOrder::sequential, DataOrder::random}) {
    Batcher whole(counting(103), 4, order, 5);  // 25 windows: batches of 3 straddle the epochs
    std::vector<Batch> batches(40);
    for (Index i = 0; i < 40; ++i) whole.fill(i * 3, 3, batches[static_cast<std::size_t>(i)]);
    for (Index resumed_at : {0, 1, 8, 9, 25, 39}) {
      Batcher batcher(counting(103), 4, order, 5);
      Batch batch;
      for (Index i = resumed_at; i < 40; ++i) {
        batcher.fill(i * 3, 3, batch);
        ASSERT_EQ(batch.rows.tokens, batches[static_cast<std::size_t>(i)].rows.tokens);
        ASSERT_EQ(batch.targets, batches[static_cast<std::size_t>(i)].targets);
      }
    }
  }
}

TEST(Batcher, SharesOfABatchAddUpToIt) {
  Batcher all(counting(200), 4, DataOrder::shuffle, 5), share(counting(200), 4, DataOrder::shuffle, 5);
  Batch whole, part;
  all.fill(12, 6, whole);
  for (Index rank = 0; rank < 3; ++rank) {
    share.fill(12 + rank * 2, 2, part);
    EXPECT_TRUE(std::equal(part.rows.tokens.begin(), part.rows.tokens.end(), whole.rows.tokens.begin() + rank * 8));
  }
}

TEST(Batcher, ABatchOfTheSameSizeIsNotAllocatedAnew) {
  Batcher batcher(counting(200), 4, DataOrder::shuffle, 5);
  Batch batch;
  batcher.fill(0, 6, batch);
  const std::int32_t* inputs = batch.rows.tokens.data();
  const std::int32_t* targets = batch.targets.data();
  for (Index i = 1; i < 30; ++i) batcher.fill(i * 6, 6, batch);
  EXPECT_EQ(batch.rows.tokens.data(), inputs);
  EXPECT_EQ(batch.targets.data(), targets);
}

TEST(Batcher, TooFewTokensAreRefusedWithBothNumbers) {
  for (DataOrder order : {DataOrder::shuffle, DataOrder::sequential, DataOrder::random}) {
    Batcher just_enough(counting(65), 64, order, 0);
    EXPECT_EQ(just_enough.windows_per_epoch(), 1);
    EXPECT_EQ(just_enough.first_token(9), 0);
    const std::string rest = ", but a context of 64 (model.n_ctx) needs at least 65 tokens; give more text";
    expect_error(ExitCode::usage, "data.train: 64 tokens" + rest, [&] { Batcher batcher(counting(64), 64, order, 0); });
    expect_error(ExitCode::usage, "data.train: 0 tokens" + rest, [&] { Batcher batcher(TokenFile(), 64, order, 0); });
  }
}

TokenFile file_of(const std::vector<std::int32_t>& tokens) {
  TokenFileBuilder builder(100);
  builder.append(tokens);
  return TokenFile(builder.finish(), "documents");
}

TEST(Batcher, ABorderSeparatesDocuments) {
  // Three documents, the second of them empty, end with 9; the window ends within the last.
  Batcher batcher(file_of({1, 2, 9, 9, 3, 4, 5, 6}), 6, DataOrder::sequential, 0, 9);
  Batch batch;
  batcher.fill(0, 1, batch);
  EXPECT_THAT(batch.rows.tokens, ElementsAre(1, 2, 9, 9, 3, 4));
  EXPECT_THAT(batch.rows.positions, ElementsAre(0, 1, 2, 0, 0, 1));
  ASSERT_EQ(batch.rows.sequences.size(), 3u);
  EXPECT_EQ(batch.rows.sequences[1].row, 3);
  EXPECT_EQ(batch.rows.sequences[1].length, 1);
  EXPECT_EQ(batch.rows.sequences[2].row, 4);
  EXPECT_THAT(batch.scored, ElementsAre(0, 1, 4, 5));  // an end is predicted; what follows one is not
  EXPECT_THAT(batch.targets, ElementsAre(2, 9, 4, 5));
  EXPECT_THAT(batch.weights, ElementsAre(1, 1, 1, 1));
}

TEST(Batcher, SequencesOfARunHaveNumbersOfTheirOwn) {
  Batcher batcher(file_of({1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6, 9, 7}), 4, DataOrder::sequential, 0, 9);
  std::set<std::uint64_t> numbers;
  std::size_t sequences = 0;
  Batch batch;
  for (Index window = 0; window < 9; ++window) {
    batcher.fill(window, 1, batch);
    for (const Sequence& s : batch.rows.sequences) numbers.insert(s.number);
    sequences += batch.rows.sequences.size();
  }
  EXPECT_EQ(sequences, 18u);
  EXPECT_EQ(numbers.size(), sequences);
}

TEST(DocumentBorder, IsTheEndTokenWhereDocumentsDoNotSeeEachOther) {
  DataConfig data;
  EXPECT_EQ(document_border(data, {.end = 7}), std::nullopt);
  data.attend_across_documents = false;
  EXPECT_EQ(document_border(data, {.end = 7}), 7);
  expect_error(ExitCode::usage,
               "data.attend_across_documents is false, but no token ends documents; name one with "
               "tokenizer.end_of_text",
               [&] { document_border(data, {}); });
}

TEST(EvaluationBatches, ScoreEveryTargetOnceInOrder) {
  for (Index n : {2, 5, 9, 10, 13, 33, 34, 100}) {
    for (Index B : {1, 2, 3, 50}) {
      const EvaluationBatches batches(counting(n), 4, B);
      std::vector<std::int32_t> targets;
      Batch batch;
      for (Index i = 0; i < batches.size(); ++i) {
        batches.fill(i, batch);
        EXPECT_LE(std::ssize(batch.rows.sequences), B);
        const Index length = batch.rows.sequences.back().length;
        EXPECT_TRUE(length == 4 || (i == batches.size() - 1 && length < 4 && batch.rows.sequences.size() == 1));
        for (std::size_t j = 0; j < batch.targets.size(); ++j) EXPECT_EQ(batch.rows.tokens[j] + 1, batch.targets[j]);
        targets.insert(targets.end(), batch.targets.begin(), batch.targets.end());
      }
      std::vector<std::int32_t> expected(static_cast<std::size_t>(n - 1));
      std::iota(expected.begin(), expected.end(), 1);
      EXPECT_EQ(targets, expected) << "n " << n << " B " << B;
    }
  }
}

/// Windows of 4 over 41 targets, 0 to 40, and a rest of 1: where each scored one begins.
std::vector<Index> beginnings(Index most_targets, Index B) {
  const EvaluationBatches batches(counting(42), 4, B, most_targets);
  std::vector<Index> found;
  Batch batch;
  for (Index i = 0; i < batches.size(); ++i) {
    batches.fill(i, batch);
    for (const Sequence& s : batch.rows.sequences) found.push_back(batch.rows.tokens[static_cast<std::size_t>(s.row)]);
  }
  return found;
}

TEST(EvaluationBatches, OfAPartAreFullWindowsSpreadEvenly) {
  for (const Index B : {1, 2, 3, 50}) {
    EXPECT_THAT(beginnings(1, B), ElementsAre(0));
    EXPECT_THAT(beginnings(4, B), ElementsAre(0));
    EXPECT_THAT(beginnings(5, B), ElementsAre(0, 20));
    EXPECT_THAT(beginnings(16, B), ElementsAre(0, 8, 20, 28));
    EXPECT_THAT(beginnings(40, B), ElementsAre(0, 4, 8, 12, 16, 20, 24, 28, 32, 36));
    EXPECT_THAT(beginnings(41, B), ElementsAre(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40));
  }
  Batch batch;
  EvaluationBatches(counting(3), 4, 3, 1).fill(0, batch);
  EXPECT_THAT(batch.targets, ElementsAre(1, 2));  // not one full window: all there is
}

TEST(EvaluationBatches, OneTokenHasNothingToScore) {
  expect_error(ExitCode::usage, "counting: 1 token, but an evaluation needs at least 2 tokens; give more text",
               [] { EvaluationBatches batches(counting(1), 4, 2); });
}

TEST(PartOfStep, GivesEachExampleToOnePart) {
  for (const Index micro_batches : {1, 2, 3, 8}) {
    std::vector<ExampleRange> step;
    Index examples = 0;
    for (Index m = 0; m < micro_batches; ++m) {
      step.push_back({examples, 5 + m});
      examples += 5 + m;
    }
    for (const Index parts : {1, 2, 3, 4, 5, 8}) {
      Index next = 0;
      for (Index part = 0; part < parts; ++part) {
        for (const ExampleRange& range : part_of_step(step, part, parts)) {
          EXPECT_EQ(range.first, next) << micro_batches << " micro-batches, part " << part << " of " << parts;
          next += range.count;
        }
      }
      EXPECT_EQ(next, examples);
    }
  }
}

TEST(PartOfStep, IsEmptyWhereThereAreFewerExamplesThanParts) {
  const std::vector<ExampleRange> step{{10, 2}};
  Index parts_with_examples = 0;
  for (Index part = 0; part < 5; ++part) parts_with_examples += part_of_step(step, part, 5).front().count;
  EXPECT_EQ(parts_with_examples, 2);
}

}  // namespace
}  // namespace kiln
