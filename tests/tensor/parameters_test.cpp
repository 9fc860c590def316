// The layout and the buffers over it.
#include "kiln/tensor/parameters.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace kiln {
namespace {

struct Fixture {
  ParameterLayout layout;
  ParameterId embedding = layout.matrix({Module::wte}, 7, 3);
  ParameterId weight = layout.matrix({Module::c_attn, 0}, 3, 9, {3, 3, 3});
  ParameterId bias = layout.vector({Module::c_attn, 0, TensorKind::bias}, 9);
};

TEST(ParameterLayout, KeepsNamesShapesAndCounts) {
  const Fixture f;
  EXPECT_EQ(f.layout.count(), 21 + 27 + 9);
  EXPECT_EQ(f.layout.count(Role::attention), 27);
  EXPECT_EQ(f.layout.count(Role::unembedding), 0);
  EXPECT_EQ(f.layout[f.weight].shape(), (std::vector<Index>{3, 9}));
  EXPECT_EQ(f.layout[f.bias].shape(), (std::vector<Index>{9}));
  EXPECT_EQ(f.layout[f.bias].rows, 1);
  EXPECT_EQ(f.layout[f.weight].column_groups, (std::vector<Index>{3, 3, 3}));
}

TEST(ParameterLayout, FindsByKeyAndByName) {
  const Fixture f;
  EXPECT_EQ(f.layout.find({Module::c_attn, 0, TensorKind::bias}).index, f.bias.index);
  EXPECT_FALSE(f.layout.find({Module::c_attn, 1, TensorKind::bias}));
  EXPECT_EQ(f.layout.find("h.0.attn.c_attn.bias").index, f.bias.index);
  EXPECT_FALSE(f.layout.find("h.0.attn.c_attn"));
}

TEST(ParameterLayout, EveryTensorStartsOnACacheLine) {
  const Fixture f;
  const ParameterBuffer<float> buffer(f.layout);
  for (const Parameter& p : f.layout.parameters()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data() + p.offset) % 64, 0u) << p.name;
  }
  EXPECT_EQ(f.layout.extent(), 32 + 32 + 16);
}

TEST(ParameterBuffer, StartsAtZeroAndWritesOneTensorAlone) {
  const Fixture f;
  ParameterBuffer<double> buffer(f.layout);
  EXPECT_TRUE((buffer.all().array() == 0).all());
  buffer.mat(f.weight).setConstant(2);
  EXPECT_EQ(buffer.all().sum(), 54);
  EXPECT_EQ(buffer.vec(f.weight).sum(), 54);
  EXPECT_EQ(buffer.vec(f.embedding).sum() + buffer.vec(f.bias).sum(), 0);
}

TEST(ParameterBuffer, MatrixRowsAreContiguous) {
  const Fixture f;
  ParameterBuffer<float> buffer(f.layout);
  buffer.mat(f.weight)(1, 2) = 5;
  EXPECT_EQ(buffer.vec(f.weight)(1 * 9 + 2), 5);
}

TEST(ParameterBuffer, AParameterThatIsNotThereIsAnEmptyVector) {
  const Fixture f;
  const ParameterBuffer<float> buffer(f.layout);
  EXPECT_EQ(buffer.vec(ParameterId{}).size(), 0);
}

TEST(ParameterLayout, ASubsetKeepsIdsAndNothingOfTheOthers) {
  const Fixture f;
  const ParameterLayout some = f.layout.subset([](const Parameter& p) { return p.role != Role::token_embedding; });
  EXPECT_EQ(some.count(), 27 + 9);
  EXPECT_EQ(some.extent(), 32 + 16);
  EXPECT_EQ(some.ids(), 3);
  EXPECT_FALSE(some.has(f.embedding));
  EXPECT_EQ(some[f.bias].name, "h.0.attn.c_attn.bias");
  EXPECT_EQ(some.find("h.0.attn.c_attn.weight").index, f.weight.index);
  Gradients<float> gradients(some);
  gradients.clear();
  EXPECT_EQ(gradients.mat(f.embedding).rows(), 0);
  EXPECT_EQ(gradients.target(f.embedding).mat.rows(), 0);
  EXPECT_EQ(gradients.vec(f.embedding).size(), 0);
  gradients.vec(f.bias).setConstant(2);
  gradients.finish();
  EXPECT_EQ(gradients.all().sum(), 18);
  const ParameterLayout bias_alone = some.subset([](const Parameter& p) { return p.role == Role::bias; });
  EXPECT_EQ(bias_alone[f.bias].offset, 0);
  EXPECT_FALSE(bias_alone.has(f.weight));
}

TEST(Gradients, StartAsZerosToAddTo) {
  const Fixture f;
  Gradients<float> gradients(f.layout);
  EXPECT_EQ(gradients.target(f.weight).write, Write::accumulate);
  EXPECT_TRUE(gradients.all().isZero(0.0f));
}

TEST(Gradients, OnceClearedTheFirstProductReplacesAndTheNextAdds) {
  const Fixture f;
  Gradients<float> gradients(f.layout);
  gradients.all().setConstant(5);
  gradients.clear();
  auto [first, write] = gradients.target(f.weight);
  EXPECT_EQ(write, Write::overwrite);
  first.setConstant(2);
  EXPECT_EQ(gradients.target(f.weight).write, Write::accumulate);
  EXPECT_EQ(gradients.mat(f.weight)(1, 2), 2);  // what is added to is kept
  gradients.vec(f.bias)[0] += 3;
  EXPECT_EQ(gradients.vec(f.bias).sum(), 3);
  gradients.finish();
  EXPECT_TRUE(gradients.vec(f.embedding).isZero(0.0f));  // nothing came
  EXPECT_EQ(gradients.vec(f.weight).sum(), 2 * 27);
}

}  // namespace
}  // namespace kiln
