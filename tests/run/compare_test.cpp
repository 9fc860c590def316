// Two checkpoints side by side: every difference is found, measured as by hand, and nothing else.
#include "kiln/run/compare.h"

#include "kiln/core/file.h"
#include "kiln/run/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch.h"
#include "support/small_checkpoint.h"
#include <cmath>
#include <limits>

namespace kiln {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using testing::Scratch;
using testing::SmallTraining;

ConstVec<float> vec(const std::vector<float>& values) { return {values.data(), std::ssize(values)}; }

TensorDifference differ(const std::vector<float>& a, const std::vector<float>& b) {
  return compare_tensors("t", vec(a), vec(b));
}

TEST(CompareTensors, MeasuresAsByHand) {
  const TensorDifference d = differ({3, 4, 0, 0}, {3, 2, 0, 1});
  EXPECT_FALSE(d.is_equal);
  EXPECT_EQ(d.max_abs, 2);
  EXPECT_DOUBLE_EQ(d.rms, std::sqrt(5.0 / 4));
  EXPECT_DOUBLE_EQ(d.relative_rms, std::sqrt(5.0 / 25));
}

TEST(CompareTensors, EqualIsEveryBit) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(differ({1, kNan, kInfinity}, {1, kNan, kInfinity}).is_equal);
  const TensorDifference zeros = differ({0.0f}, {-0.0f});
  EXPECT_FALSE(zeros.is_equal);
  EXPECT_EQ(zeros.relative_rms, 0);
  EXPECT_EQ(differ({kInfinity, 1}, {kInfinity, 2}).max_abs, 1);
}

TEST(CompareTensors, WhatIsNotFiniteOrRelativeToNothingSaysSo) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(differ({1, 2}, {1, kNan}).max_abs));
  EXPECT_TRUE(std::isnan(differ({1, 2}, {1, kInfinity}).rms));
  EXPECT_TRUE(std::isinf(differ({0, 0}, {0, 1}).relative_rms));
}

class Compare : public ::testing::Test {
 protected:
  ModelSource saved(const std::string& name, SmallTraining& training) {
    fs::create_directories(scratch_.path(name));
    write_checkpoint_folder(scratch_.path(name), training.contents(5));
    return open_model(scratch_.path(name));
  }

  Scratch scratch_;
  SmallTraining training_;
};

TEST_F(Compare, TheSameTrainingIsEqual) {
  const CheckpointComparison comparison = compare(saved("a", training_), saved("b", training_));
  EXPECT_TRUE(comparison.is_equal());
  EXPECT_EQ(comparison.tokenizer_a, "none, 11 entries");
  EXPECT_EQ(comparison.tensors.size(), training_.small.layout().parameters().size());
}

TEST_F(Compare, OneElementOfOneTensorIsFound) {
  const ModelSource a = saved("a", training_);
  training_.small.weights.mat(training_.small.layout().find("h.1.mlp.c_fc.weight"))(2, 3) += 0.5f;
  const CheckpointComparison comparison = compare(a, saved("b", training_));
  EXPECT_FALSE(comparison.is_equal());
  for (const TensorDifference& tensor : comparison.tensors) {
    EXPECT_EQ(tensor.is_equal, tensor.name != "h.1.mlp.c_fc.weight") << tensor.name;
    EXPECT_NEAR(tensor.max_abs, tensor.is_equal ? 0 : 0.5, 1e-6);
    EXPECT_NEAR(tensor.rms, tensor.is_equal ? 0 : 0.5 / std::sqrt(8 * 32), 1e-6);
  }
}

TEST_F(Compare, DifferencesOfConfigHaveTheirPointers) {
  const ModelSource a = saved("a", training_);
  training_.config.seed = 7;
  training_.config.train.eval_every = 1;
  const CheckpointComparison comparison = compare(a, saved("b", training_));
  ASSERT_EQ(comparison.config.size(), 2u);
  EXPECT_EQ(to_string(comparison.config[0]), "/seed: 1337 -> 7");
  EXPECT_EQ(to_string(comparison.config[1]), "/train/eval_every: 250 -> 1");
  EXPECT_FALSE(comparison.is_equal());
}

TEST_F(Compare, AnotherTokenizerIsADifference) {
  const ModelSource a = saved("a", training_), b = saved("b", training_);
  write_file_synced(b.folder / "tokenizer.json", format_tokenizer_json(NoneTokenizer(10)));
  const CheckpointComparison comparison = compare(a, b);
  EXPECT_FALSE(comparison.same_tokenizer);
  EXPECT_EQ(comparison.tokenizer_b, "none, 10 entries");
  EXPECT_FALSE(comparison.is_equal());
  fs::remove(b.folder / "tokenizer.json");
  EXPECT_FALSE(compare(a, b).same_tokenizer);
  fs::remove(a.folder / "tokenizer.json");
  EXPECT_TRUE(compare(a, b).same_tokenizer);
}

TEST_F(Compare, ModelsOfOtherShapesAreComparedByName) {
  ModelConfig deeper = testing::small_gpt2();
  deeper.n_layers = 3;
  deeper.n_ctx = 9;
  SmallTraining other(deeper);
  const CheckpointComparison comparison = compare(saved("a", training_), saved("b", other));
  int longer = 0, only_b = 0;
  for (const TensorDifference& tensor : comparison.tensors) {
    if (tensor.name == "wpe.weight") {
      ++longer;
      EXPECT_THAT(tensor.shape_a, ElementsAre(6, 8));
      EXPECT_THAT(tensor.shape_b, ElementsAre(9, 8));
      EXPECT_FALSE(tensor.is_comparable() || tensor.is_equal);
    } else if (tensor.name.starts_with("h.2.")) {
      ++only_b;
      EXPECT_TRUE(tensor.shape_a.empty() && !tensor.shape_b.empty() && !tensor.is_equal);
    }
  }
  EXPECT_EQ(longer, 1);
  EXPECT_EQ(only_b, 12);
}

TEST_F(Compare, AModelFolderOfOthersHasAModelToCompareAlone) {
  const ModelSource a = saved("a", training_);
  training_.config.seed = 8;  // which nobody knows of the other
  saved("b", training_);
  for (const char* name : {"kiln.json", "manifest.json", "optimizer.safetensors", "trainer.json"})
    fs::remove(scratch_.path("b") / name);
  EXPECT_TRUE(compare(a, open_model(scratch_.path("b"))).is_equal());
}

}  // namespace
}  // namespace kiln
