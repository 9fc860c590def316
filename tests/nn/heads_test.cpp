// The next-token head works in chunks of rows; what it gives must not show where they were cut.
#include "kiln/nn/heads.h"

#include "kiln/nn/language_model.h"

#include <gtest/gtest.h>

#include "support/gradient.h"
#include "support/sequences.h"
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

/// The head's forward and backward over ten hidden states, `chunk` rows at a time, each with a weight of its own.
Result run(bool tied, Index chunk) {
  const LanguageModel<double> model(config(tied), kVocabSize);
  ParameterBuffer<double> weights(model.layout);
  for (Index i = 0; i < weights.all().size(); ++i) weights.all()[i] = std::sin(static_cast<double>(i));
  Arena arena(std::size_t{1} << 20);
  HeadScratch<double> scratch = model.head.lay_out(arena, chunk);
  GptActivations<double> activations = model.trunk.lay_out(arena, kRows, std::nullopt);
  Tensor<double> d_losses(1, kRows);
  const Index C = config(tied).d_model;
  std::vector<std::int32_t> targets;
  for (Index n = 0; n < kRows; ++n) {
    for (Index c = 0; c < C; ++c) activations.hidden(n, c) = std::cos(static_cast<double>(8 * n + c));
    d_losses.data(0, n) = n == 4 ? 0 : 0.1 * static_cast<double>(n + 1);
    targets.push_back(static_cast<std::int32_t>(3 * n % kVocabSize));
  }
  Result result{.d_hidden = Tensor<double>(kRows, C), .losses = Tensor<double>(1, kRows), .gradients = {}};
  Gradients<double> gradients(model.layout);
  for (const Parameter& p : model.layout.parameters()) {  // what an earlier step has left
    gradients.vec(p.id).setConstant(std::numeric_limits<double>::quiet_NaN());
  }
  gradients.clear();
  const std::vector<Index> rows = testing::all_rows(kRows);
  model.head.forward_backward(weights, activations, {rows, targets}, d_losses.cv(), scratch, result.losses.v(),
                              gradients);
  result.d_hidden.data = activations.d_hidden;
  gradients.finish();
  result.gradients = gradients.all();
  return result;
}

TEST(NextTokenHead, ChunksOfRowsGiveWhatAllRowsAtOnceGive) {
  for (const bool tied : {true, false}) {
    const Result whole = run(tied, kRows);
    EXPECT_TRUE(whole.gradients.allFinite());
    for (const Index chunk : {1, 3, 4, 9}) {
      const Result cut = run(tied, chunk);
      EXPECT_LT((cut.losses.data - whole.losses.data).norm(), 1e-14) << chunk;
      EXPECT_LT((cut.d_hidden.data - whole.d_hidden.data).norm(), 1e-14) << chunk;
      EXPECT_LT((cut.gradients - whole.gradients).norm(), 1e-14) << chunk;
      EXPECT_EQ(cut.d_hidden.data.row(4).norm(), 0);
    }
  }
}

}  // namespace
}  // namespace kiln
