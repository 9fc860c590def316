// A look into one forward: forecasts, the lens and attention against models whose inside is known.
#include "kiln/infer/inspector.h"

#include <gtest/gtest.h>

#include "infer/models.h"
#include "support/scratch.h"
#include <cmath>

namespace kiln {
namespace {

using testing::byte_tokens;
using testing::expect_error;
using testing::Parrot;
using testing::RandomModel;
using testing::tiny_config;

constexpr Index kEntries = 50;
const std::vector<TokenId> kLooked{3, 14, 15, 9, 26, 5, 35, 8};

TEST(Inspector, ForecastsInAnyPartsAreThoseOfTheWhole) {
  RandomModel m(tiny_config(), kEntries);
  const Inspection whole = inspect(m.view(), kLooked, 4);
  Inspector inspector(m.view(), kLooked, false);
  ASSERT_EQ(inspector.rows(), 8);
  for (Index row = 0; row < 8; ++row) {
    const Forecast forecast = inspector.forecasts(row, 1, 4).at(0);
    ASSERT_EQ(forecast.next.has_value(), row < 7);
    const auto& top = row < 7 ? whole.predictions[static_cast<std::size_t>(row)].top : whole.next;
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(forecast.top[i].token, top[i].token);
    if (row == 7) continue;
    EXPECT_NEAR(forecast.next->loss, whole.predictions[static_cast<std::size_t>(row)].loss, 1e-5);
    EXPECT_EQ(forecast.next->rank, whole.predictions[static_cast<std::size_t>(row)].rank);
  }
}

TEST(Inspector, TheLensOfTheLastLayerIsTheModelsAnswer) {
  RandomModel m(tiny_config(PositionKind::rope), kEntries);
  Inspector inspector(m.view(), kLooked, true);
  const std::vector<Forecast> forecasts = inspector.forecasts(0, 8, 1);
  std::vector<TokenId> answers;
  for (const Forecast& forecast : forecasts) answers.push_back(forecast.top[0].token);
  const std::vector<LensReading> last = inspector.lens(2, 0, answers);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(last[i].top.token, answers[i]);
    EXPECT_EQ(last[i].top.probability, forecasts[i].top[0].probability);
    EXPECT_EQ(last[i].answer, last[i].top.probability);
    ASSERT_EQ(last[i].next.has_value(), i < 7);
    if (i < 7) {
      EXPECT_EQ(*last[i].next, forecasts[i].next->probability);
    }
  }
  const std::vector<LensReading> first = inspector.lens(0, 3, std::span(answers).subspan(3, 2));
  ASSERT_EQ(first.size(), 2U);
  EXPECT_NE(first[0].answer, last[3].answer);
  EXPECT_EQ(inspector.forecasts(3, 1, 1)[0].top[0].probability, last[3].top.probability) << "the lens is put away";
}

TEST(Inspector, AModelThatReadsThePositionAloneKnowsInEveryLayer) {
  const std::string text = "tell no tale";
  Parrot parrot(byte_tokens(text));
  const std::vector<TokenId> tokens = byte_tokens("...........");
  Inspector inspector(parrot.view(), tokens, true);
  const std::vector<Forecast> forecasts = inspector.forecasts(0, inspector.rows(), 1);
  for (Index layer = 0; layer <= parrot.model.config().n_layers; ++layer) {
    const auto readings = inspector.lens(layer, 0, byte_tokens(text.substr(0, tokens.size())));
    for (std::size_t i = 0; i < readings.size(); ++i) {
      EXPECT_EQ(readings[i].top.token, text[i]);
      EXPECT_GT(readings[i].answer, 0.8);
      EXPECT_EQ(readings[i].answer, forecasts[i].top[0].probability);
    }
  }
}

TEST(Inspector, WithoutWeightsAttentionIsEvenOrFallsWithTheDistance) {
  for (const PositionKind position : {PositionKind::learned, PositionKind::alibi}) {
    ModelConfig config = tiny_config(position);
    config.init.scheme = InitScheme::zero;
    RandomModel m(config, kEntries);
    Inspector inspector(m.view(), kLooked, true);
    for (Index head = 0; head < 4; ++head) {
      const double slope = position == PositionKind::alibi ? std::exp2(-2.0 * static_cast<double>(head + 1)) : 0;
      const RowMajor<float> p = inspector.attention(1, head);
      for (Index i = 0; i < 8; ++i) {
        double sum = 0;
        for (Index j = 0; j <= i; ++j) sum += std::exp(-slope * static_cast<double>(i - j));
        for (Index j = 0; j < 8; ++j) {
          EXPECT_NEAR(p(i, j), j <= i ? std::exp(-slope * static_cast<double>(i - j)) / sum : 0, 1e-6);
        }
      }
    }
  }
}

TEST(Inspector, LooksIntoModelsInBfloat16) {
  RandomModel m(tiny_config(), kEntries);
  ModelWeights narrow(m.model.layout, Precision::bf16);
  narrow.masters().all() = m.weights.all();
  narrow.keep_only_what_is_read();
  Inspector wide(m.view(), kLooked, true), inspector({m.model, narrow}, kLooked, true);
  EXPECT_NEAR(wide.forecasts(2, 1, 1)[0].next->loss, inspector.forecasts(2, 1, 1)[0].next->loss, 0.2);
  const double distance = (wide.attention(0, 1) - inspector.attention(0, 1)).norm();
  EXPECT_LT(distance, 0.05);
  EXPECT_GT(distance, 0);
}

TEST(Inspector, RefusesATextThatDoesNotFit) {
  RandomModel m(tiny_config(PositionKind::learned, 4), kEntries);
  expect_error(ExitCode::usage, "the text has 8 tokens, and the model reads at most 4",
               [&] { Inspector(m.view(), kLooked, false); });
}

}  // namespace
}  // namespace kiln
