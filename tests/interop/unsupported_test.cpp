// What other programs would compute otherwise is known, and said in full.
#include "kiln/interop/unsupported.h"

#include "kiln/interop/tensor_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/small_models.h"

namespace kiln {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::small_gpt2;
using testing::small_llama;
using testing::small_modern;

TEST(Unsupported, ThereAreNoneForTheArchitecturesThemselves) {
  ModelConfig gpt2 = small_gpt2();
  EXPECT_THAT(gguf_unsupported(gpt2), IsEmpty());
  EXPECT_THAT(llmc_unsupported(gpt2), IsEmpty());
  gpt2.bias = false;  // zeros
  EXPECT_THAT(gguf_unsupported(gpt2), IsEmpty());
  EXPECT_THAT(llmc_unsupported(gpt2), IsEmpty());
  gpt2.tie_embeddings = false;
  EXPECT_THAT(gguf_unsupported(gpt2), IsEmpty());
  EXPECT_THAT(gguf_unsupported(small_llama()), IsEmpty());
  EXPECT_THAT(gguf_unsupported(small_llama(6)), IsEmpty());
}

TEST(Unsupported, EveryReasonIsGiven) {
  EXPECT_THAT(gguf_unsupported(small_modern()), ElementsAre("model.activation is relu2; llama.cpp's llama has swiglu",
                                                            "model.qk_norm is true; llama.cpp's llama has false"));
  ModelConfig odd = small_gpt2();
  odd.activation = Activation::relu;
  odd.position = PositionKind::alibi;
  odd.n_kv_heads = 1;
  odd.d_head = 6;
  odd.qk_norm = true;
  EXPECT_THAT(gguf_unsupported(odd), ElementsAre("model.position is alibi; llama.cpp's gpt2 has learned",
                                                 "model.activation is relu; llama.cpp's gpt2 has gelu_new",
                                                 "model.n_kv_heads is 1; llama.cpp's gpt2 has 2",
                                                 "model.d_head is 6; llama.cpp's gpt2 has d_model / n_heads = 8 / 2",
                                                 "model.qk_norm is true; llama.cpp's gpt2 has false"));
  ModelConfig near = small_gpt2();
  near.d_mlp = 24;
  near.tie_embeddings = false;
  near.norm_epsilon = 1e-6;
  EXPECT_THAT(llmc_unsupported(near),
              ElementsAre("model.d_mlp is 24; llm.c has 32", "model.tie_embeddings is false; llm.c has true",
                          "model.norm_epsilon is 1e-06; llm.c has 1e-05"));
}

TEST(Unsupported, RewardModelsAre) {
  EXPECT_THAT(gguf_unsupported(testing::scoring(small_gpt2())),
              ElementsAre("it is a reward model; llama.cpp's gpt2 predicts tokens"));
  EXPECT_THAT(gguf_unsupported(testing::scoring(small_llama())),
              ElementsAre("it is a reward model; llama.cpp's llama predicts tokens"));
  EXPECT_THAT(llmc_unsupported(testing::scoring(small_gpt2())),
              ElementsAre("it is a reward model; llm.c predicts tokens"));
}

/// A model without unsupported features is of a family whose tensors have names there, over all combinations of the
/// keys.
TEST(Unsupported, NoneMeansAFamilyThatHasNames) {
  int without = 0;
  for (const NormKind norm : {NormKind::layernorm, NormKind::rmsnorm}) {
    for (std::size_t position = 0; position < kPositions.size(); ++position) {
      for (std::size_t activation = 0; activation < kActivations.size(); ++activation) {
        for (int flags = 0; flags < 16; ++flags) {
          ModelConfig m = small_gpt2();
          m.norm = norm;
          m.position = static_cast<PositionKind>(position);
          m.activation = static_cast<Activation>(activation);
          m.bias = (flags & 1) != 0;
          m.qk_norm = (flags & 2) != 0;
          m.n_kv_heads = (flags & 4) != 0 ? 1 : 2;
          m.d_head = (flags & 8) != 0 ? 6 : 4;
          if (!gguf_unsupported(m).empty()) continue;
          ++without;
          EXPECT_EQ(family_of(m), norm == NormKind::rmsnorm ? Family::llama : Family::gpt2);
        }
      }
    }
  }
  EXPECT_EQ(without, 2 + 4);  // gpt2 with biases and without; llama of any heads and sizes
}

}  // namespace
}  // namespace kiln
