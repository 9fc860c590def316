// Backward kernels of the plain layers against central differences, and forwards against their formulas.
#include "kiln/core/threads.h"
#include "kiln/kernels/activation.h"
#include "kiln/kernels/cross_entropy.h"
#include "kiln/kernels/dropout.h"
#include "kiln/kernels/embedding.h"
#include "kiln/kernels/linear.h"
#include "kiln/kernels/norm.h"

#include "support/gradient.h"
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace kiln {
namespace {

using testing::dot;
using testing::expect_gradient;
using testing::GradientCheck;
using testing::randn;
using testing::Tensor;

constexpr double kInitial = 9.0;  // in gradient buffers: proves +=
const GradientCheck kAccumulated{.initial = kInitial};

ConstMat<double> no_skip(Index cols) { return mat(static_cast<const double*>(nullptr), 0, cols); }

TEST(Linear, BackwardMatchesCentralDifferences) {
  Rng rng(7, "test");
  Tensor x = randn(rng, 5, 3), w = randn(rng, 3, 4), b = randn(rng, 1, 4), dy = randn(rng, 5, 4);
  Tensor dx(5, 3), dw(3, 4, kInitial), db(1, 4, kInitial), y(5, 4);
  auto loss = [&] {
    linear_forward<double>(x.c(), w.c(), b.cv(), y.m());
    return dot(y.data, dy.data);
  };
  linear_backward<double>(x.c(), w.c(), dy.c(), dx.m(), dw.m(), Write::accumulate, db.v());
  expect_gradient("x", x, dx, loss);
  expect_gradient("w", w, dw, loss, kAccumulated);
  expect_gradient("b", b, db, loss, kAccumulated);
}

TEST(Layernorm, BackwardMatchesCentralDifferencesWithAndWithoutBiasAndSkip) {
  Rng rng(8, "test");
  constexpr Index N = 6, C = 10;
  for (const bool with_bias : {true, false}) {
    for (const bool with_skip : {true, false}) {
      Tensor x = randn(rng, N, C, 2.0), gain = randn(rng, 1, C), bias = randn(rng, 1, C), dy = randn(rng, N, C);
      Tensor skip = randn(rng, N, C), y(N, C), dx(N, C), dgain(1, C, kInitial), dbias(1, C, kInitial);
      Tensor mean(1, N), rstd(1, N);
      auto loss = [&] {
        layernorm_forward<double>(x.c(), gain.cv(), with_bias ? bias.cv() : no_const_vec<double>(), 1e-5, y.m(),
                                  mean.v(), rstd.v());
        return dot(y.data, dy.data) + (with_skip ? dot(x.data, skip.data) : 0.0);
      };
      loss();
      layernorm_backward<double>(x.c(), gain.cv(), mean.cv(), rstd.cv(), dy.c(), with_skip ? skip.c() : no_skip(C),
                                 dx.m(), dgain.v(), with_bias ? dbias.v() : no_vec<double>());
      expect_gradient("x", x, dx, loss);
      expect_gradient("gain", gain, dgain, loss, kAccumulated);
      if (with_bias) expect_gradient("bias", bias, dbias, loss, kAccumulated);
    }
  }
}

TEST(Layernorm, NormalisesARow) {
  Tensor x(1, 4), gain(1, 4, 1.0), y(1, 4), mean(1, 1), rstd(1, 1);
  x.data << 1, 2, 3, 4;
  layernorm_forward<double>(x.c(), gain.cv(), no_const_vec<double>(), 0.0, y.m(), mean.v(), rstd.v());
  EXPECT_DOUBLE_EQ(mean(0, 0), 2.5);
  EXPECT_DOUBLE_EQ(rstd(0, 0), 1.0 / std::sqrt(1.25));
  EXPECT_DOUBLE_EQ(y(0, 0), -1.5 / std::sqrt(1.25));
}

TEST(Rmsnorm, NormalisesARow) {
  Tensor x(1, 4), gain(1, 4, 2.0), y(1, 4), rstd(1, 1);
  x.data << 1, 2, 3, 4;
  rmsnorm_forward<double>(x.c(), gain.cv(), 0.5, y.m(), rstd.v());  // epsilon is added to the mean square, 7.5
  EXPECT_DOUBLE_EQ(rstd(0, 0), 1.0 / std::sqrt(8.0));
  EXPECT_DOUBLE_EQ(y(0, 3), 8.0 / std::sqrt(8.0));
}

TEST(Rmsnorm, BackwardMatchesCentralDifferencesWithAndWithoutSkip) {
  Rng rng(9, "test");
  constexpr Index N = 5, C = 9;
  for (const bool with_skip : {true, false}) {
    Tensor x = randn(rng, N, C, 2.0), gain = randn(rng, 1, C), dy = randn(rng, N, C), skip = randn(rng, N, C);
    Tensor y(N, C), dx(N, C), dgain(1, C, kInitial), rstd(1, N);
    auto loss = [&] {
      rmsnorm_forward<double>(x.c(), gain.cv(), 1e-5, y.m(), rstd.v());
      return dot(y.data, dy.data) + (with_skip ? dot(x.data, skip.data) : 0.0);
    };
    loss();
    rmsnorm_backward<double>(x.c(), gain.cv(), rstd.cv(), dy.c(), with_skip ? skip.c() : no_skip(C), dx.m(), dgain.v());
    expect_gradient("x", x, dx, loss);
    expect_gradient("gain", gain, dgain, loss, kAccumulated);
  }
}

TEST(HeadRmsnorm, BackwardMatchesCentralDifferencesInPlace) {
  Rng rng(10, "test");
  constexpr Index N = 4, heads = 3, D = 6;
  Tensor x = randn(rng, N, heads * D), gain = randn(rng, 1, D), dy = randn(rng, N, heads * D);
  Tensor y(N, heads * D), dgain(1, D, kInitial), rstd(1, N * heads);
  auto loss = [&] {
    head_rmsnorm_forward<double>(x.c(), gain.cv(), 1e-5, y.m(), rstd.v());
    return dot(y.data, dy.data);
  };
  loss();
  Tensor dx = dy;
  head_rmsnorm_backward<double>(x.c(), gain.cv(), rstd.cv(), dx.c(), dx.m(), dgain.v());
  expect_gradient("x", x, dx, loss);
  expect_gradient("gain", gain, dgain, loss, kAccumulated);
}

TEST(Activation, BackwardMatchesCentralDifferencesForEveryKind) {
  Rng rng(11, "test");
  constexpr Index N = 4, F = 8;
  for (std::size_t kind = 0; kind < kActivations.size(); ++kind) {
    const auto activation = static_cast<Activation>(kind);
    const Index in = is_gated(activation) ? 2 * F : F;
    Tensor x = randn(rng, N, in, 1.5), dy = randn(rng, N, F), y(N, F), dx(N, in);
    auto loss = [&] {
      activation_forward<double>(activation, x.c(), y.m());
      return dot(y.data, dy.data);
    };
    activation_backward<double>(activation, x.c(), dy.c(), dx.m());
    expect_gradient(std::string(kActivations[kind]), x, dx, loss);
    Tensor in_place = x;
    activation_backward<double>(activation, in_place.c(), dy.c(), in_place.m());
    EXPECT_EQ(in_place.data, dx.data) << kActivations[kind];
  }
}

// As many numbers as fill vectors, which go another way than single ones.
TEST(Activation, IsFiniteFarFromZero) {
  constexpr Index F = 64;
  for (const Activation activation : {Activation::gelu, Activation::gelu_new, Activation::silu}) {
    for (const double size : {5.0, 10.5, 30.0, 92.0, 500.0, 1e4, 1e8}) {
      const double signs[] = {size, -size};
      for (const double value : signs) {
        const testing::Tensor<float> x(1, F, static_cast<float>(value)), dy(1, F, 1.0f);
        testing::Tensor<float> y(1, F), dx(1, F);
        activation_forward<float>(activation, x.c(), y.m());
        activation_backward<float>(activation, x.c(), dy.c(), dx.m());
        const double share =
            activation == Activation::silu ? 1 / (1 + std::exp(-value))
            : activation == Activation::gelu_new
                ? (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (value + 0.044715 * std::pow(value, 3)))) / 2
                : std::erfc(-value / std::numbers::sqrt2) / 2;
        const std::string where =
            std::string(kActivations[static_cast<std::size_t>(activation)]) + " at " + std::to_string(value);
        EXPECT_LE((y.data.array() - static_cast<float>(value * share)).abs().maxCoeff(), 1e-5 * size * share + 1e-5)
            << where;
        EXPECT_NEAR(dx.data.maxCoeff(), value > 0 ? 1.0 : 0.0, 0.03) << where;  // silu at 5 is still on the way there
        EXPECT_NEAR(dx.data.minCoeff(), value > 0 ? 1.0 : 0.0, 0.03) << where;
      }
    }
  }
}

TEST(Activation, NaNIsNotSwallowed) {  // the trainer's watch for divergence relies on it
  constexpr Index F = 64;
  for (std::size_t kind = 0; kind < kActivations.size(); ++kind) {
    const auto activation = static_cast<Activation>(kind);
    testing::Tensor<float> x(1, is_gated(activation) ? 2 * F : F, 1.0f), y(1, F);
    for (const Index at : {Index{0}, F - 1}) {
      x(0, at) = std::numeric_limits<float>::quiet_NaN();
      activation_forward<float>(activation, x.c(), y.m());
      EXPECT_TRUE(std::isnan(y(0, at))) << kActivations[kind];
    }
  }
}

// The exponential and the normal distribution function in float are polynomials of kiln's own.
TEST(Activation, InFloatIsTheOneInDoubleToSevenDigits) {
  constexpr Index kMiddle = 10000, F = 2 * kMiddle + 1;
  testing::Tensor<double> x(1, F), y(1, F), dx(1, F);
  const testing::Tensor<double> dy(1, F, 1.0);
  testing::Tensor<float> x32(1, F), y32(1, F), dx32(1, F);
  const testing::Tensor<float> dy32(1, F, 1.0f);
  for (Index i = 0; i < F; ++i) {
    x32(0, i) = static_cast<float>(i - kMiddle) / 1000;
    x(0, i) = static_cast<double>(x32(0, i));
  }
  for (const Activation activation : {Activation::gelu, Activation::gelu_new, Activation::silu}) {
    activation_forward<double>(activation, x.c(), y.m());
    activation_backward<double>(activation, x.c(), dy.c(), dx.m());
    activation_forward<float>(activation, x32.c(), y32.m());
    activation_backward<float>(activation, x32.c(), dy32.c(), dx32.m());
    const std::string_view name = kActivations[static_cast<std::size_t>(activation)];
    const auto size = x.data.array().abs().max(1.0);
    EXPECT_LT(((y32.data.cast<double>() - y.data).array().abs() / size).maxCoeff(), 5e-7) << name;
    EXPECT_LT(((dx32.data.cast<double>() - dx.data).array().abs() / size).maxCoeff(), 5e-7) << name;
  }
}

TEST(Activation, HasTheKnownValues) {
  const std::array<std::pair<Activation, double>, 5> expected{{{Activation::relu, 1.5},
                                                               {Activation::gelu, 1.3997891979},
                                                               {Activation::gelu_new, 1.3995715769},
                                                               {Activation::silu, 1.2263617137},
                                                               {Activation::relu2, 2.25}}};
  for (const auto& [activation, value] : expected) {
    Tensor x(1, 2), y(1, 2);
    x.data << 1.5, -40.0;
    activation_forward<double>(activation, x.c(), y.m());
    EXPECT_NEAR(y(0, 0), value, 1e-9) << kActivations[static_cast<std::size_t>(activation)];
    EXPECT_NEAR(y(0, 1), 0.0, 1e-12);
  }
}

TEST(Embedding, BackwardMatchesCentralDifferences) {
  Rng rng(12, "test");
  constexpr Index V = 7, T = 3, C = 5;
  const std::vector<std::int32_t> tokens{6, 0, 6, 2, 2, 1};  // B = 2, repeats included
  const Index N = static_cast<Index>(tokens.size());
  const std::vector<std::int32_t> places{0, 1, 2, 0, 1, 2};
  Tensor table = randn(rng, V, C), positions = randn(rng, T + 2, C), dx = randn(rng, N, C), x(N, C);
  Tensor dtable(V, C, kInitial), dpositions(T + 2, C, kInitial);
  auto loss = [&] {
    embedding_forward<double>(tokens, places, table.c(), positions.c(), x.m());
    return dot(x.data, dx.data);
  };
  embedding_backward<double>(tokens, places, dx.c(), dtable.m(), dpositions.m());
  expect_gradient("tokens", table, dtable, loss, kAccumulated);
  expect_gradient("positions", positions, dpositions, loss, kAccumulated);
}

TEST(Embedding, PositionsStartWhereTheCacheEnds) {
  Tensor table(2, 1), positions(6, 1), x(2, 1);
  table.data << 10, 20;
  positions.data << 0, 1, 2, 3, 4, 5;
  const std::vector<std::int32_t> tokens{1, 0};
  embedding_forward<double>(tokens, std::vector<std::int32_t>{3, 4}, table.c(), positions.c(), x.m());
  EXPECT_EQ(x(0, 0), 23);
  EXPECT_EQ(x(1, 0), 14);
}

TEST(CrossEntropy, BackwardMatchesCentralDifferencesWithAMaskedPosition) {
  Rng rng(13, "test");
  constexpr Index N = 4, V = 9;
  const std::vector<std::int32_t> targets{0, 8, 3, 3};
  Tensor logits = randn(rng, N, V, 3.0), weights = randn(rng, 1, N), losses(1, N), dlogits(N, V);
  weights(0, 2) = 0.0;
  auto loss = [&] {
    cross_entropy_forward<double>(logits.c(), targets, losses.v(), {});
    return dot(losses.data, weights.data);
  };
  loss();
  cross_entropy_backward<double>(logits.c(), targets, losses.cv(), weights.cv(), dlogits.m());
  expect_gradient("logits", logits, dlogits, loss);
  EXPECT_EQ(dlogits.data.row(2).cwiseAbs().maxCoeff(), 0.0);
}

TEST(CrossEntropy, SurvivesLogitsThatWouldOverflow) {
  Tensor<float> logits(1, 3), losses(1, 1);
  logits.data << 1e30f, -1e30f, 1e30f;
  const std::vector<std::int32_t> targets{2};
  std::vector<std::int32_t> best(1);
  cross_entropy_forward<float>(logits.c(), targets, losses.v(), best);
  EXPECT_FLOAT_EQ(losses(0, 0), std::log(2.0f));
  EXPECT_EQ(best[0], 0);
}

TEST(Dropout, KeepsTheShareItSaysAndTheMean) {
  const Dropout dropout({.training = true, .seed = 1}, 0.25, 3);
  std::vector<float> factors(40000);
  dropout.fill(5, 0, static_cast<Index>(factors.size()), factors.data());
  double sum = 0;
  for (const float f : factors) {
    ASSERT_TRUE(f == 0.0f || f == dropout.scale());
    sum += f;
  }
  EXPECT_NEAR(sum / static_cast<double>(factors.size()), 1.0, 0.02);
}

TEST(Dropout, FillAgreesWithFactorFromAnyStartAndDiffersBySequenceAndSite) {
  const Dropout dropout({.training = true, .seed = 1}, 0.5, 3);
  std::vector<float> factors(21), other(21);
  dropout.fill(5, 6, 21, factors.data());
  for (std::size_t i = 0; i < factors.size(); ++i) EXPECT_EQ(factors[i], dropout.factor(5, 6 + i));
  dropout.fill(6, 6, 21, other.data());
  EXPECT_NE(factors, other);
  Dropout({.training = true, .seed = 1}, 0.5, 4).fill(5, 6, 21, other.data());
  EXPECT_NE(factors, other);
}

TEST(Dropout, IsOffOutsideTraining) {
  EXPECT_FALSE(Dropout({.training = false, .seed = 1}, 0.5, 3).active());
  EXPECT_FALSE(Dropout({.training = true, .seed = 1}, 0.0, 3).active());
}

TEST(Residual, BackwardMatchesCentralDifferencesWithAFixedMask) {
  Rng rng(14, "test");
  constexpr Index N = 3, C = 300;  // more than one piece of factors
  const Dropout dropout({.training = true, .seed = 2}, 0.3, 1);
  const std::vector<Sequence> sequences{{.row = 0, .length = 2, .number = 7}};  // the last row belongs to none
  Tensor x = randn(rng, N, C), branch = randn(rng, N, C), dy = randn(rng, N, C), memory(N, C);
  auto loss = [&] {
    Tensor y = branch;
    residual_forward<double>(x.c(), dropout, sequences, y.m());
    return dot(y.data, dy.data);
  };
  EXPECT_EQ(residual_backward<double>(dy.c(), dropout, sequences, memory.m()).data(), memory.data.data());
  expect_gradient("branch", branch, memory, loss);
  expect_gradient("x", x, dy, loss);
  EXPECT_EQ(residual_backward<double>(dy.c(), Dropout(), sequences, memory.m()).data(), dy.data.data());
}

TEST(Kernels, GiveTheSameBitsForAnyThreadCount) {
  Rng rng(15, "test");
  constexpr Index N = 37, C = 130;
  Tensor<float> x = randn<float>(rng, N, C), gain = randn<float>(rng, 1, C), dy = randn<float>(rng, N, C);
  std::vector<RowMajor<float>> gains, sums, gradients;
  for (const int count : {1, 2, 3}) {
    set_threads(count);
    Tensor<float> y(N, C), mean(1, N), rstd(1, N), dx(N, C), dgain(1, C), dbias(1, C);
    layernorm_forward<float>(x.c(), gain.cv(), no_const_vec<float>(), 1e-5, y.m(), mean.v(), rstd.v());
    layernorm_backward<float>(x.c(), gain.cv(), mean.cv(), rstd.cv(), dy.c(),
                              mat(static_cast<const float*>(nullptr), 0, C), dx.m(), dgain.v(), dbias.v());
    gains.push_back(dgain.data);
    sums.push_back(dbias.data);
    gradients.push_back(dx.data);
  }
  set_threads(0);
  for (std::size_t i = 1; i < gains.size(); ++i) {
    EXPECT_EQ(gains[i], gains[0]);
    EXPECT_EQ(sums[i], sums[0]);
    EXPECT_EQ(gradients[i], gradients[0]);
  }
}

}  // namespace
}  // namespace kiln
