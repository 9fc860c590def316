// A block against its two halves run one by one, and what it recomputes, shares and writes in place.
#include "kiln/nn/block.h"

#include <gtest/gtest.h>

#include "support/block_parts.h"
#include "support/small_models.h"
#include <set>
#include <vector>

namespace kiln {
namespace {

using testing::kNaN;
using testing::kPartLayer;
using testing::randn;
using testing::Tensor;
using BlockRun = testing::PartRun<Block<double>>;

/// Configs of each family, with dropout.
std::vector<ModelConfig> block_configs() {
  std::vector<ModelConfig> configs{testing::small_gpt2(), testing::small_llama(), testing::small_modern()};
  for (ModelConfig& config : configs) config.dropout = 0.2;
  return configs;
}

/// The halves of a block over a layout that equals the block's, each with memory of its own.
struct Halves {
  explicit Halves(const BlockRun& run)
      : attention(run.config, kPartLayer, layout),
        mlp(run.config, kPartLayer, layout),
        arena(testing::make_nan_arena()),
        attention_activations(attention.lay_out(arena, run.rows.size())),
        mlp_activations(mlp.lay_out(arena, run.rows.size())),
        middle(run.rows.size(), run.config.d_model, kNaN),
        out(middle) {
    attention.forward(run.context(), run.x.c(), attention_activations, nullptr, middle.m());
    mlp.forward(run.context(), middle.c(), mlp_activations, out.m());
  }

  Tensor<double> backward(const BlockRun& run, const Tensor<double>& d_out, Gradients<double>& gradients) {
    Tensor<double> d_stream = d_out;
    const Index N = run.rows.size(), C = run.config.d_model;
    auto mlp_scratch = mlp.lay_out_scratch(arena, arena.matrix<double>(N, C));
    auto attention_scratch = attention.lay_out_scratch(arena, arena.matrix<double>(N, C));
    mlp.backward(run.context(), middle.c(), mlp_activations, mlp_scratch, d_stream.m(), gradients);
    attention.backward(run.context(), run.x.c(), attention_activations, attention_scratch, d_stream.m(), gradients);
    return d_stream;
  }

  ParameterLayout layout;
  Attention<double> attention;
  Mlp<double> mlp;
  Arena arena;
  Attention<double>::Activations attention_activations;
  Mlp<double>::Activations mlp_activations;
  Tensor<double> middle, out;
};

TEST(Block, ForwardIsTheMlpAfterAttention) {
  for (const ModelConfig& config : block_configs()) {
    BlockRun run(config);
    const Halves halves(run);
    run.forward();
    EXPECT_EQ(run.activations.resid_mid, halves.middle.data);
    EXPECT_EQ(run.out.data, halves.out.data);
    EXPECT_TRUE(run.out.data.allFinite());
  }
}

TEST(Block, InferenceMayWriteOverItsInput) {
  for (const ModelConfig& config : block_configs()) {
    BlockRun run(config);
    run.forward();
    Tensor<double> stream = run.x;
    run.part.forward(run.context(), stream.c(), run.activations, stream.m(), nullptr);
    EXPECT_EQ(stream.data, run.out.data);
  }
}

TEST(Block, BackwardGoesThroughTheMlpAndThenThroughAttention) {
  Rng rng(13, "test");
  for (const ModelConfig& config : block_configs()) {
    BlockRun run(config);
    Halves halves(run);
    run.forward();
    const Tensor<double> d_out = randn(rng, run.rows.size(), config.d_model);
    Gradients<double> gradients(run.layout), expected(halves.layout);
    const Tensor<double> found = run.backward(d_out, gradients), wanted = halves.backward(run, d_out, expected);
    EXPECT_EQ(found.data, wanted.data);
    EXPECT_TRUE(wanted.data.allFinite());
    for (const Parameter& p : halves.layout.parameters()) {
      EXPECT_EQ(gradients.vec(run.layout.find(p.name)), expected.vec(p.id)) << p.name;
    }
  }
}

TEST(Block, BackwardMatchesCentralDifferences) {
  for (const ModelConfig& config : block_configs()) {
    BlockRun run(config);
    testing::expect_gradients(run);
  }
}

struct NamedView {
  const char* name;
  Mat<double> values;
};

Mat<double> as_row(Vec<double> v) { return mat(v.data(), 1, v.size()); }

std::vector<NamedView> attention_views(const Block<double>::Activations& a) {
  return {{"normed", a.attention.normed},
          {"mean", as_row(a.attention.statistics.mean)},
          {"rstd", as_row(a.attention.statistics.rstd)},
          {"qkv", a.attention.qkv},
          {"queries_and_keys", a.attention.queries_and_keys},
          {"query_rstd", as_row(a.attention.query_rstd)},
          {"key_rstd", as_row(a.attention.key_rstd)},
          {"attn_out", a.attention.attn_out},
          {"lse", as_row(a.attention.lse)},
          {"resid_mid", a.resid_mid}};
}

std::vector<NamedView> mlp_views(const Block<double>::Activations& a) {
  return {{"mlp.normed", a.mlp.normed},
          {"mlp.mean", as_row(a.mlp.statistics.mean)},
          {"mlp.rstd", as_row(a.mlp.statistics.rstd)},
          {"fc", a.mlp.fc},
          {"activated", a.mlp.activated}};
}

std::vector<RowMajor<double>> copies(const std::vector<NamedView>& views) {
  std::vector<RowMajor<double>> values;
  for (const NamedView& view : views) values.push_back(view.values);
  return values;
}

void overwrite_with_nan(std::vector<NamedView> views) {
  for (NamedView& view : views) view.values.setConstant(kNaN);
}

/// Expects equal values; NaN equals NaN, for the log-sum-exp in rows of no sequence is not written.
void expect_same_values(const std::vector<NamedView>& found, const std::vector<RowMajor<double>>& wanted) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    const RowMajor<double> a = found[i].values, b = wanted[i];
    EXPECT_TRUE((a.array() == b.array() || (a.array().isNaN() && b.array().isNaN())).all()) << found[i].name;
  }
}

TEST(Block, RecomputeRestoresEveryBit) {
  for (const ModelConfig& config : block_configs()) {
    BlockRun run(config);
    run.forward();
    const auto attention = copies(attention_views(run.activations)), mlp = copies(mlp_views(run.activations));
    overwrite_with_nan(mlp_views(run.activations));
    run.part.recompute(run.context(), Recompute::none, run.x.c(), run.activations);
    EXPECT_TRUE(run.activations.mlp.fc.array().isNaN().all());
    run.part.recompute(run.context(), Recompute::mlp, run.x.c(), run.activations);
    expect_same_values(mlp_views(run.activations), mlp);
    expect_same_values(attention_views(run.activations), attention);
    overwrite_with_nan(mlp_views(run.activations));
    overwrite_with_nan(attention_views(run.activations));
    run.part.recompute(run.context(), Recompute::block, run.x.c(), run.activations);
    expect_same_values(mlp_views(run.activations), mlp);
    expect_same_values(attention_views(run.activations), attention);
    EXPECT_TRUE(run.activations.attention.lse.head(config.n_heads * rows_in(run.rows.sequences)).allFinite());
  }
}

TEST(Block, OneScratchServesManyBackwards) {
  Rng rng(14, "test");
  for (const ModelConfig& config : block_configs()) {
    BlockRun run(config);
    Block<double>::Scratch shared = run.lay_out_scratch();
    for (int batch = 0; batch < 2; ++batch) {
      run.x = randn(rng, run.rows.size(), config.d_model);
      const Tensor<double> d_out = randn(rng, run.rows.size(), config.d_model);
      Gradients<double> gradients(run.layout), expected(run.layout);
      run.forward();
      Tensor<double> d_stream = d_out;
      run.part.backward(run.context(), run.x.c(), run.activations, shared, d_stream.m(), gradients);
      EXPECT_EQ(d_stream.data, run.backward(d_out, expected).data);  // with scratch behind the shared one
      EXPECT_EQ(gradients.all(), expected.all());
      EXPECT_TRUE(expected.all().allFinite());
    }
  }
}

TEST(Block, TheHalvesShareScratchAndBlocksMayShareTheMlps) {
  const BlockRun run(testing::small_gpt2());
  const Index N = run.rows.size();
  ParameterLayout layout;
  const Attention<double> attention(run.config, kPartLayer, layout);
  const Mlp<double> mlp(run.config, kPartLayer, layout);
  const auto stream = [&](Arena& arena) { return arena.matrix<double>(N, run.config.d_model); };
  const std::size_t of_attention = bytes_of([&](Arena& arena) { attention.lay_out_scratch(arena, stream(arena)); });
  const std::size_t of_mlp = bytes_of([&](Arena& arena) { mlp.lay_out_scratch(arena, stream(arena)); });
  Arena counting = Arena::counting();
  run.part.lay_out_scratch(counting, N);
  EXPECT_EQ(counting.mark(), std::max(of_attention, of_mlp));  // what follows lies behind both

  Arena arena(std::size_t{1} << 16);
  const Block<double>::Activations first = run.part.lay_out(arena, N), second = run.part.lay_out(arena, N, &first.mlp);
  EXPECT_EQ(second.mlp.fc.data(), first.mlp.fc.data());
  EXPECT_NE(second.resid_mid.data(), first.resid_mid.data());
  EXPECT_NE(second.attention.qkv.data(), first.attention.qkv.data());
}

TEST(Block, NoTwoPlacesOfAModelShareADropoutMask) {
  constexpr Index kLayers = 3;
  std::set<std::uint64_t> sites{0};  // the embedding's
  for (Index layer = 0; layer < kLayers; ++layer) {
    for (Index place = 0; place < static_cast<Index>(DropoutPlace::count); ++place) {
      sites.insert(dropout_site(layer, static_cast<DropoutPlace>(place)));
    }
  }
  EXPECT_EQ(sites.size(), 1u + 3u * kLayers);
}

}  // namespace
}  // namespace kiln
