// Sizes that default to others, and pairs that cannot stand together.
#include "kiln/nn/model_config.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kiln {
namespace {

std::string problems_of(const ModelConfig& model) {
  Problems problems;
  model.validate(problems, "/model");
  return problems.text("m");
}

TEST(ModelConfig, DefaultsAreSoundAndResolve) {
  ModelConfig m;
  EXPECT_EQ(problems_of(m), "");
  m.resolve();
  EXPECT_EQ(m.n_kv_heads, 4);
  EXPECT_EQ(m.d_head, 32);
  EXPECT_EQ(m.d_mlp, 512);
}

TEST(ModelConfig, ResolveKeepsWhatIsGiven) {
  ModelConfig m;
  m.n_kv_heads = 2;
  m.d_head = 5;
  m.d_mlp = 7;
  m.resolve();
  EXPECT_EQ(m.n_kv_heads, 2);
  EXPECT_EQ(m.d_head, 5);
  EXPECT_EQ(m.d_mlp, 7);
}

TEST(ModelConfig, GatedHiddenSizesAreEightThirdsRoundedUpTo64) {
  ModelConfig m;
  m.activation = Activation::swiglu;
  for (const auto& [d_model, d_mlp] :
       {std::pair<Index, Index>{192, 512}, {193, 576}, {128, 384}, {4096, 10944}, {1, 64}}) {
    m.d_model = d_model;
    EXPECT_EQ(m.mlp_size(), d_mlp) << d_model;
  }
}

TEST(ModelConfig, HeadsHaveToDivide) {
  ModelConfig m;
  m.d_model = 130;
  EXPECT_EQ(problems_of(m),
            "m: /model/n_heads: d_model = 130 is not a multiple of n_heads = 4; change one of them, or set d_head");
  m.d_head = 32;  // independent of d_model
  EXPECT_EQ(problems_of(m), "");
  m.n_kv_heads = 3;
  EXPECT_EQ(
      problems_of(m),
      "m: /model/n_kv_heads: n_heads = 4 is not a multiple of n_kv_heads = 3; every key/value head serves the same "
      "number of query heads");
  m.n_kv_heads = 8;
  EXPECT_NE(problems_of(m), "");
}

TEST(ModelConfig, RopeWantsAnEvenHeadSize) {
  ModelConfig m;
  m.d_head = 7;
  EXPECT_EQ(problems_of(m), "");
  m.position = PositionKind::rope;
  EXPECT_EQ(problems_of(m), "m: /model/d_head: the head size 7 is odd; rope turns pairs, so an even one is expected");
}

TEST(ModelConfig, ValuesThatDidNotComeFromJsonAreCheckedToo) {
  ModelConfig m;
  m.n_heads = 0;  // as of a foreign config: must not divide by it
  m.dropout = 1;
  EXPECT_EQ(problems_of(m),
            "m: /model/n_heads: 0 is out of range; at least 1 is expected\n"
            "m: /model/dropout: 1.0 is out of range; at least 0 and at most 0.99 is expected");
  m = {};
  m.n_kv_heads = 0;
  EXPECT_EQ(problems_of(m), "m: /model/n_kv_heads: 0 is out of range; at least 1 is expected");
}

TEST(ModelConfig, Gpt3IsFineAndWhatCannotBeCountedIsNot) {
  ModelConfig m;
  m.n_layers = 96;
  m.d_model = 12288;
  m.n_heads = 96;
  m.n_ctx = 2048;
  EXPECT_EQ(problems_of(m), "");
  constexpr Index huge = 1'000'000'000'000;
  for (Index ModelConfig::*size :
       {&ModelConfig::n_layers, &ModelConfig::d_model, &ModelConfig::n_heads, &ModelConfig::n_ctx}) {
    ModelConfig one;
    one.*size = huge;
    EXPECT_NE(problems_of(one).find("1000000000000 is out of range; at most"), std::string::npos) << problems_of(one);
  }
  for (std::optional<Index> ModelConfig::*size :
       {&ModelConfig::n_kv_heads, &ModelConfig::d_head, &ModelConfig::d_mlp}) {
    ModelConfig one;
    one.*size = huge;
    EXPECT_NE(problems_of(one).find("1000000000000 is out of range; at most"), std::string::npos) << problems_of(one);
  }
  m.n_layers = 100'000;
  m.d_model = m.n_heads * 1'000'000;
  EXPECT_EQ(problems_of(m), "m: /model: the sizes come to 1.11e+22 parameters; at most 1e+15 are expected");
}

TEST(ModelConfig, TheLargestNumbersOverflowNothing) {
  ModelConfig m;
  m.d_model = m.n_heads = m.n_layers = m.n_ctx = std::numeric_limits<Index>::max();
  m.activation = Activation::geglu;
  EXPECT_NE(problems_of(m), "");
}

TEST(ModelConfig, RoundTripsThroughJson) {
  ModelConfig m;
  m.activation = Activation::geglu;
  m.norm = NormKind::rmsnorm;
  m.position = PositionKind::alibi;
  m.init.scheme = InitScheme::kaiming;
  m.n_kv_heads = 2;
  ModelConfig back;
  Problems problems;
  from_json(to_json(m), back, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(to_json(back), to_json(m));
}

}  // namespace
}  // namespace kiln
