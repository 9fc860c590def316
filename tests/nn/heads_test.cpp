// The next-token head works in chunks of rows; what it gives must not show where they were cut.
#include "kiln/nn/heads.h"

#include "kiln/nn/language_model.h"

#include <gtest/gtest.h>

#include "support/gradient.h"
#include "support/sequences.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace kiln {
namespace {

using testing::Tensor;

struct Result {
  Tensor<double> d_hidden, losses;
  Eigen::VectorXd gradients;
};

constexpr Index kRows = 10, kVocabSize = 7;

ModelConfig config(bool tied) {
  ModelConfig config;
  config.n_layers = 1;
  config.d_model = 8;
  config.n_heads = 2;
  config.n_ctx = kRows;
  config.tie_embeddings = tied;
  config.resolve();
  return config;
}

/// The head's forward and backward over ten hidden states, of which `rows` are scored, `chunk` at a time. Those of
/// `weighted` have a weight of their own, the others 0. The hidden states are multiplied by `scale`.
Result run(bool tied, Index chunk, const std::vector<Index>& rows, const std::vector<Index>& weighted,
           double temperature = 1, double scale = 1) {
  const LanguageModel<double> model(config(tied), kVocabSize);
  ParameterBuffer<double> weights(model.layout);
  for (Index i = 0; i < weights.all().size(); ++i) weights.all()[i] = std::sin(static_cast<double>(i));
  Arena arena(std::size_t{1} << 20);
  HeadScratch<double> scratch = model.next_token_head()->lay_out(arena, chunk);
  GptActivations<double> activations = model.trunk.lay_out(arena, kRows, std::nullopt);
  Tensor<double> d_losses(1, std::ssize(rows));
  const Index C = config(tied).d_model;
  std::vector<std::int32_t> targets;
  for (Index n = 0; n < kRows; ++n) {
    for (Index c = 0; c < C; ++c) activations.hidden(n, c) = scale * std::cos(static_cast<double>(8 * n + c));
  }
  for (std::size_t m = 0; m < rows.size(); ++m) {
    const bool counts = std::ranges::find(weighted, rows[m]) != weighted.end();
    d_losses.data(0, static_cast<Index>(m)) = counts ? 0.1 * static_cast<double>(rows[m] + 1) : 0.0;
    targets.push_back(static_cast<std::int32_t>(3 * rows[m] % kVocabSize));
  }
  Result result{.d_hidden = Tensor<double>(kRows, C), .losses = Tensor<double>(1, std::ssize(rows)), .gradients = {}};
  Gradients<double> gradients(model.layout);
  for (const Parameter& p : model.layout.parameters()) {  // what an earlier step has left
    gradients.vec(p.id).setConstant(std::numeric_limits<double>::quiet_NaN());
  }
  gradients.clear();
  model.next_token_head()->forward_backward(weights, activations, {rows, targets, temperature}, d_losses.cv(), scratch,
                                            result.losses.v(), gradients);
  result.d_hidden.data = activations.d_hidden;
  gradients.finish();
  result.gradients = gradients.all();
  return result;
}

TEST(NextTokenHead, ChunksOfRowsGiveWhatAllRowsAtOnceGive) {
  const std::vector<Index> all = testing::all_rows(kRows), weighted{0, 1, 2, 3, 5, 6, 7, 8, 9};
  for (const bool tied : {true, false}) {
    const Result whole = run(tied, kRows, all, weighted);
    EXPECT_TRUE(whole.gradients.allFinite());
    for (const Index chunk : {1, 3, 4, 9}) {
      const Result cut = run(tied, chunk, all, weighted);
      EXPECT_LT((cut.losses.data - whole.losses.data).norm(), 1e-14) << chunk;
      EXPECT_LT((cut.d_hidden.data - whole.d_hidden.data).norm(), 1e-14) << chunk;
      EXPECT_LT((cut.gradients - whole.gradients).norm(), 1e-14) << chunk;
      EXPECT_EQ(cut.d_hidden.data.row(4).norm(), 0);
    }
  }
}

TEST(NextTokenHead, RowsThatAreNotScoredAreAsRowsOfNoWeight) {
  const std::vector<Index> all = testing::all_rows(kRows);
  for (const std::vector<Index>& scored : {std::vector<Index>{0, 2, 3, 7, 9}, {3, 4, 5, 6}, {9}, {1, 3}, {0}}) {
    const Result whole = run(false, kRows, all, scored);
    for (const Index chunk : {1, 2, 10}) {
      const Result some = run(false, chunk, scored, scored);
      for (std::size_t m = 0; m < scored.size(); ++m) {
        EXPECT_NEAR(some.losses.data(0, static_cast<Index>(m)), whole.losses.data(0, scored[m]), 1e-14);
      }
      EXPECT_LT((some.d_hidden.data - whole.d_hidden.data).norm(), 1e-14) << chunk;
      EXPECT_LT((some.gradients - whole.gradients).norm(), 1e-14) << chunk;
    }
  }
}

TEST(NextTokenHead, ATemperatureDividesTheLogits) {
  const std::vector<Index> scored{0, 2, 3, 7};
  const Result warm = run(false, kRows, scored, scored, 1), hot = run(false, kRows, scored, scored, 2);
  const Result halved = run(false, kRows, scored, scored, 1, 0.5);  // hidden states, which the logits are linear in
  EXPECT_GT((hot.losses.data - warm.losses.data).norm(), 0.1);
  EXPECT_LT((hot.losses.data - halved.losses.data).norm(), 1e-14);
  EXPECT_LT((hot.d_hidden.data - 0.5 * halved.d_hidden.data).norm(), 1e-14);
  EXPECT_LT((hot.gradients - halved.gradients).norm(), 1e-14);
}

}  // namespace
}  // namespace kiln
