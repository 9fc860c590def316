// The attention half of a block against plain loops and central differences, and against itself with a cache.
#include "kiln/nn/attention.h"

#include <gtest/gtest.h>

#include "support/block_parts.h"
#include <cmath>
#include <vector>

namespace kiln {
namespace {

using testing::kNaN;
using testing::kPartLayer;
using testing::plain_linear;
using testing::plain_norm;
using AttentionRun = testing::PartRun<Attention<double>>;

struct AttentionCase {
  const char* name;
  PositionKind position;
  Index H, K, D;
  bool qk_norm = false, bias = true;
  NormKind norm = NormKind::layernorm;

  ModelConfig config() const {
    ModelConfig config;
    config.n_layers = 2;
    config.d_model = 6;
    config.n_heads = H;
    config.n_kv_heads = K;
    config.d_head = D;
    config.n_ctx = 6;
    config.position = position;
    config.rope_theta = 50;  // all pairs turn within a few positions
    config.qk_norm = qk_norm;
    config.bias = bias;
    config.norm = norm;
    config.norm_epsilon = 1e-3;
    config.dropout = 0.3;
    return config;
  }
};

const AttentionCase kAttentionCases[] = {
    {"learned", PositionKind::learned, 2, 2, 3},
    {"none", PositionKind::none, 2, 2, 3, false, false, NormKind::rmsnorm},
    {"rope", PositionKind::rope, 2, 2, 4},
    {"alibi", PositionKind::alibi, 2, 2, 3},
    {"grouped", PositionKind::learned, 4, 2, 2},
    {"qk_norm", PositionKind::learned, 2, 2, 3, true},
    {"all", PositionKind::rope, 4, 2, 4, true, false, NormKind::rmsnorm},
};

/// Turns each pair (i, i + D/2) of a head by position * theta^(-2i/D).   head (N, D)
void rotate_plainly(const AttentionRun& run, Mat<double> head) {
  const Index half = head.cols() / 2;
  for (const Sequence& s : run.rows.sequences) {
    for (Index t = 0; t < s.length; ++t) {
      for (Index i = 0; i < half; ++i) {
        const double frequency =
            std::pow(run.config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(head.cols()));
        const double angle = static_cast<double>(t) * frequency;
        const double a = head(s.row + t, i), b = head(s.row + t, i + half);
        head(s.row + t, i) = a * std::cos(angle) - b * std::sin(angle);
        head(s.row + t, i + half) = b * std::cos(angle) + a * std::sin(angle);
      }
    }
  }
}

/// Returns the heads as softmax sees them: normed and rotated where the config says so.   heads (N, count*D)
RowMajor<double> prepared_heads(const AttentionRun& run, const RowMajor<double>& heads, const char* gain) {
  const ModelConfig& config = run.config;
  const Index D = config.head_size();
  RowMajor<double> prepared = heads;
  for (Index first = 0; first < heads.cols(); first += D) {
    if (config.qk_norm) {
      prepared.middleCols(first, D) = plain_norm(NormKind::rmsnorm, config.norm_epsilon, heads.middleCols(first, D),
                                                 run.vec(gain), no_const_vec<double>());
    }
    if (config.position == PositionKind::rope) {
      rotate_plainly(run, columns(mat(prepared.data(), prepared.rows(), prepared.cols()), first, D));
    }
  }
  return prepared;
}

/// Returns dropout(softmax(q k^T / sqrt(D) - slope (t - j))) v; 0 in rows of no sequence.
RowMajor<double> plain_heads(const AttentionRun& run, const RowMajor<double>& q, const RowMajor<double>& k,
                             const RowMajor<double>& v) {
  const ModelConfig& config = run.config;
  const Index H = config.n_heads, D = config.head_size();
  const Dropout dropout(run.step, config.dropout, dropout_site(kPartLayer, DropoutPlace::attention_weights));
  RowMajor<double> y = RowMajor<double>::Zero(q.rows(), q.cols());
  for (const Sequence& s : run.rows.sequences) {
    for (Index h = 0; h < H; ++h) {
      const Index key_column = h / (H / config.kv_heads()) * D;
      const double slope = config.position == PositionKind::alibi
                               ? std::exp2(-8.0 * static_cast<double>(h + 1) / static_cast<double>(H))
                               : 0.0;
      for (Index t = 0; t < s.length; ++t) {
        Eigen::RowVectorXd p(t + 1);
        for (Index j = 0; j <= t; ++j) {
          const double product = q.row(s.row + t).segment(h * D, D).dot(k.row(s.row + j).segment(key_column, D));
          p[j] = std::exp(product / std::sqrt(static_cast<double>(D)) - slope * static_cast<double>(t - j));
        }
        p /= p.sum();
        for (Index j = 0; j <= t; ++j) {  // a mask's elements: head by head, then key, then query
          const auto element = static_cast<std::uint64_t>((h * s.length + j) * s.length + t);
          p[j] *= static_cast<double>(dropout.factor(s.number, element));
        }
        y.row(s.row + t).segment(h * D, D) = p * v.middleRows(s.row, t + 1).middleCols(key_column, D);
      }
    }
  }
  return y;
}

/// Returns x + dropout(projection(attention(norm(x)))).
RowMajor<double> plain_attention(const AttentionRun& run) {
  const ModelConfig& config = run.config;
  const Index Q = config.n_heads * config.head_size(), KV = config.kv_heads() * config.head_size();
  const RowMajor<double> normed =
      plain_norm(config.norm, config.norm_epsilon, run.x.data, run.vec("ln_1.weight"), run.vec("ln_1.bias"));
  const RowMajor<double> qkv = plain_linear(normed, run.mat("attn.c_attn.weight"), run.vec("attn.c_attn.bias"));
  const RowMajor<double> heads =
      plain_heads(run, prepared_heads(run, qkv.leftCols(Q), "attn.q_norm.weight"),
                  prepared_heads(run, qkv.middleCols(Q, KV), "attn.k_norm.weight"), qkv.rightCols(KV));
  return testing::plain_residual(
      run.x.data, plain_linear(heads, run.mat("attn.c_proj.weight"), run.vec("attn.c_proj.bias")),
      Dropout(run.step, config.dropout, dropout_site(kPartLayer, DropoutPlace::attention_branch)), run.rows.sequences);
}

TEST(Attention, ForwardOfARaggedBatchIsThePlainFormula) {
  for (const AttentionCase& c : kAttentionCases) {
    SCOPED_TRACE(c.name);
    AttentionRun run(c.config());
    testing::expect_plain_forward(run, plain_attention);
  }
}

TEST(Attention, ProbabilitiesTimesValuesAreWhatEachHeadWrites) {
  for (const AttentionCase& c : kAttentionCases) {
    SCOPED_TRACE(c.name);
    AttentionRun run(c.config());
    run.step.training = false;  // no dropout
    run.forward();
    const RowMajor<double> values = run.activations.qkv.rightCols(c.K * c.D);
    for (Index h = 0; h < c.H; ++h) {
      testing::Tensor<double> p(run.rows.size(), run.rows.size(), kNaN);
      run.part.probabilities(run.context(), run.activations, h, p.m());
      testing::expect_near(p.data * values.middleCols(h / (c.H / c.K) * c.D, c.D),
                           run.activations.attn_out.middleCols(h * c.D, c.D));
      for (Index i = 0; i < run.rows.size(); ++i) EXPECT_NEAR(p.data.row(i).sum(), i < 9 ? 1 : 0, 1e-14);
    }
  }
}

TEST(Attention, RowsOfNoSequenceGetTheBiasAloneAndTouchNoOthers) {
  ModelConfig config = kAttentionCases[0].config();
  config.dropout = 0;
  AttentionRun alone(config, testing::ragged_rows({3, 2})), beside(config, testing::ragged_rows({3, 2}, 3));
  beside.x.data.topRows(5) = alone.x.data;
  alone.forward();
  beside.forward();
  testing::expect_near(beside.out.data.topRows(5), alone.out.data);  // products may sum in another order
  EXPECT_EQ(beside.activations.attn_out.bottomRows(3).norm(), 0);
  const RowMajor<double> branch = beside.out.data - beside.x.data;
  testing::expect_near(branch.bottomRows(3), beside.vec("attn.c_proj.bias").transpose().replicate(3, 1));
}

TEST(Attention, BackwardOfARaggedBatchMatchesCentralDifferencesWithAFixedMask) {
  for (const AttentionCase& c : kAttentionCases) {
    SCOPED_TRACE(c.name);
    AttentionRun run(c.config());
    testing::expect_gradients(run);
  }
}

/// Feeds the rows that follow `pasts` in the whole's sequences, and expects the whole's results.
void expect_next_rows(const AttentionRun& whole, const std::vector<Sequence>& fed, KeyValues<double>& cache) {
  TokenRows rows;
  for (const Sequence& s : fed) rows.append(s.length, {.past = s.past, .slot = s.slot});
  AttentionRun part(whole.config, rows);
  part.step = whole.step;
  RowMajor<double> wanted = part.x.data;
  for (const Sequence& s : rows.sequences) {
    const Index first = whole.rows.sequences[static_cast<std::size_t>(s.slot)].row + s.past;
    part.x.data.middleRows(s.row, s.length) = whole.x.data.middleRows(first, s.length);
    wanted.middleRows(s.row, s.length) = whole.out.data.middleRows(first, s.length);
  }
  part.part.forward(part.context(), part.x.c(), part.activations, &cache, part.out.m());
  testing::expect_near(part.out.data, wanted);
}

TEST(Attention, APromptAndThenSingleTokensThroughTheCacheGiveWhatTheWholeGives) {
  for (const AttentionCase& c : kAttentionCases) {
    SCOPED_TRACE(c.name);
    AttentionRun whole(c.config());  // sequences of 5, 1 and 3, which take slots 0, 1 and 2
    whole.step.training = false;
    whole.forward();
    constexpr Index kSlotSize = 6;
    const Index width = whole.config.kv_heads() * whole.config.head_size();
    testing::Tensor<double> keys(3 * kSlotSize, width, kNaN), values = keys;
    KeyValues<double> cache{keys.m(), values.m(), kSlotSize};
    expect_next_rows(whole, {{.length = 2, .slot = 2}, {.length = 3, .slot = 0}}, cache);
    expect_next_rows(whole, {{.length = 1, .past = 3, .slot = 0}, {.length = 1, .past = 2, .slot = 2}}, cache);
    expect_next_rows(whole, {{.length = 1, .slot = 1}, {.length = 1, .past = 4, .slot = 0}}, cache);
    EXPECT_TRUE(keys.data.middleRows(kSlotSize, 1).allFinite());
    EXPECT_TRUE(keys.data.middleRows(kSlotSize + 1, kSlotSize - 1).array().isNaN().all());  // not filled yet
  }
}

}  // namespace
}  // namespace kiln
