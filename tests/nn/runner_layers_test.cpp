// A model that is looked into, layer by layer: what it would say if it ended early, and what its heads attend to.
#include "kiln/core/rng.h"
#include "kiln/core/threads.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/runner.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/sequences.h"
#include "support/small_models.h"

namespace kiln {
namespace {

using testing::kSmallVocabulary;

/// A model of random weights in T. A name has the same weights in every model, however many layers it has.
template <class T>
struct Layered {
  Layered(ModelConfig chosen, Index layers)
      : model(with_layers(std::move(chosen), layers), kSmallVocabulary), weights(model.layout) {
    for (const Parameter& p : model.layout.parameters()) {
      Rng rng(5, p.name);
      for (T& value : weights.vec(p.id)) value = static_cast<T>(0.3 * rng.normal());
    }
  }

  static ModelConfig with_layers(ModelConfig config, Index layers) {
    config.n_layers = layers;
    return config;
  }

  std::unique_ptr<Runner<Acc<T>>> runner(const TokenRows& rows) const {
    return make_runner<T>(model.config(), kSmallVocabulary,
                          {.rows = rows.size(), .scored = rows.size(), .backward = Recompute::mlp});
  }

  LanguageModel<T> model;
  ParameterBuffer<T> weights;
};

/// Two sequences and rows of none.
TokenRows two_sequences() {
  TokenRows rows;
  rows.append(std::vector<std::int32_t>{3, 1, 4, 1, 5});
  rows.append(std::vector<std::int32_t>{9, 2, 6});
  rows.round_up(10);
  return rows;
}

template <class A>
RowMajor<A> logits_of(Runner<A>& runner, Index rows) {
  RowMajor<A> logits(rows, kSmallVocabulary);
  runner.logits(testing::all_rows(rows), mat(logits.data(), rows, kSmallVocabulary));
  return logits;
}

template <class T>
void expect_shorter_models(const ModelConfig& config) {
  constexpr Index kLayers = 3;
  set_threads(1);
  const TokenRows rows = two_sequences();
  Layered<T> whole(config, kLayers);
  const auto runner = whole.runner(rows);
  runner->forward(whole.weights, rows);
  const RowMajor<Acc<T>> answer = logits_of(*runner, rows.size());
  for (Index layer = 0; layer <= kLayers; ++layer) {
    runner->end_at(layer);
    Layered<T> shorter(config, std::max<Index>(layer, 1));
    if (layer == 0) {  // no model is without blocks: this one's write nothing
      for (const Parameter& p : shorter.model.layout.parameters()) {
        if (is_residual_projection(p.role) || p.role == Role::bias) shorter.weights.vec(p.id).setZero();
      }
      const ParameterId final_bias = shorter.model.layout.find("ln_f.bias");
      if (final_bias) shorter.weights.vec(final_bias) = whole.weights.vec(whole.model.layout.find("ln_f.bias"));
    }
    const auto other = shorter.runner(rows);
    other->forward(shorter.weights, rows);
    EXPECT_EQ(logits_of(*runner, rows.size()), logits_of(*other, rows.size())) << layer;
  }
  EXPECT_EQ(logits_of(*runner, rows.size()), answer);
}

TEST(RunnerLayers, EndingEarlyIsTheModelWithFewerLayers) {
  for (const ModelConfig& config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    expect_shorter_models<float>(config);
    expect_shorter_models<double>(config);
    expect_shorter_models<bfloat16>(config);
  }
}

TEST(RunnerLayers, ALookLeavesTheBackwardAsItWas) {
  set_threads(1);
  const TokenRows rows = two_sequences();
  Layered<double> m(testing::small_modern(), 3);
  const auto gradients_of = [&](bool looks) {
    const auto runner = m.runner(rows);
    Gradients<double> gradients(m.model.layout);
    runner->forward(m.weights, rows);
    if (looks) {
      RowMajor<double> p(rows.size(), rows.size());
      for (const Index layer : {Index{0}, Index{2}, Index{3}}) runner->end_at(layer);
      runner->attention(1, 0, mat(p.data(), rows.size(), rows.size()));
    }
    const std::vector<Index> scored{0, 2, 3, 6};
    const std::vector<std::int32_t> targets{1, 2, 3, 4};
    const Eigen::VectorXd d_losses = Eigen::VectorXd::Ones(4);
    Eigen::VectorXd losses(4);
    runner->backward({scored, targets}, ConstVec<double>(d_losses.data(), 4), Vec<double>(losses.data(), 4), gradients);
    gradients.finish();
    return gradients;
  };
  EXPECT_EQ(gradients_of(true).all(), gradients_of(false).all());
}

template <class T>
void expect_attention_within_sequences(const ModelConfig& config, double tolerance) {
  set_threads(1);
  const TokenRows rows = two_sequences();
  Layered<T> m(config, 2);
  const auto runner = m.runner(rows);
  runner->forward(m.weights, rows);
  const Index N = rows.size();
  for (Index layer = 0; layer < 2; ++layer) {
    for (Index head = 0; head < config.n_heads; ++head) {
      RowMajor<Acc<T>> p = RowMajor<Acc<T>>::Constant(N, N, -1);
      runner->attention(layer, head, mat(p.data(), N, N));
      for (Index i = 0; i < N; ++i) {
        const Index first = i < 5 ? 0 : 5;
        for (Index j = 0; j < N; ++j) EXPECT_EQ(p(i, j) > 0, i < 8 && j >= first && j <= i) << i << ' ' << j;
        EXPECT_NEAR(p.row(i).sum(), i < 8 ? 1 : 0, tolerance);
      }
    }
  }
}

TEST(RunnerLayers, HeadsAttendToTheTokensBeforeInTheSameSequence) {
  for (const PositionKind position :
       {PositionKind::learned, PositionKind::sinusoidal, PositionKind::rope, PositionKind::alibi, PositionKind::none}) {
    for (ModelConfig config : {testing::small_gpt2(), testing::small_modern()}) {
      SCOPED_TRACE(kPositions[static_cast<std::size_t>(position)]);
      config.position = position;
      expect_attention_within_sequences<float>(config, 1e-6);
      expect_attention_within_sequences<double>(config, 1e-14);
      expect_attention_within_sequences<bfloat16>(config, 1e-6);
    }
  }
}

}  // namespace
}  // namespace kiln
