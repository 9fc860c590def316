// GGUF files by value: every key and tensor, read back by a reader of the test's own.
#include "kiln/core/file.h"
#include "kiln/interop/gguf_model.h"
#include "kiln/interop/gguf_tokenizer.h"
#include "kiln/text/none_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/gguf_reader.h"
#include "support/scratch.h"
#include "support/small_models.h"
#include "text/byte_tokenizer.h"
#include "text/char_tokenizer.h"
#include <cstring>
#include <map>

namespace kiln {
namespace {

using ::testing::ElementsAre;
using testing::expect_error_with;
using testing::GgufReader;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kSmallVocabulary;
using testing::Scratch;
using testing::small_gpt2;
using testing::small_llama;
using testing::SmallModel;

using Words = std::vector<std::string>;
using Numbers = std::vector<std::int32_t>;
using Contents = testing::GgufContents;
using Tensor = testing::GgufTensor;

/// Eleven ids, the first of which are characters.
CharTokenizer tokenizer() { return CharTokenizer(U"\n aé日", {{"<|endoftext|>", 5}, {"<|any|>", 6, true}}); }

Contents write(const SmallModel& small, DataType type = DataType::f32,
               const SpecialIds& ids = {.begin = 5, .ends = {5}}, TiedHead tied_head = TiedHead::stored) {
  const Scratch scratch;
  ParameterBuffer<float> weights = small.draw(1);
  write_gguf_model(scratch.path("m.gguf"), "a name", small.config(), kSmallVocabulary, std::move(weights), tokenizer(),
                   ids, type, tied_head);
  return GgufReader(read_file(scratch.path("m.gguf"))).read();
}

/// Expects a tensor of F32 to have these values, row-major with the last size fastest.
void expect_values(const Contents& contents, const std::string& name, const RowMajor<float>& expected) {
  SCOPED_TRACE(name);
  ASSERT_TRUE(contents.tensors.contains(name));
  const Tensor& tensor = contents.tensors.at(name);
  ASSERT_EQ(tensor.bytes.size(), static_cast<std::size_t>(expected.size()) * 4);
  EXPECT_EQ(tensor.sizes.front(), static_cast<std::uint64_t>(expected.cols()));
  EXPECT_EQ(std::memcmp(tensor.bytes.data(), expected.data(), tensor.bytes.size()), 0);
}

TEST(Gguf, KeysOfGpt2) {
  const Contents contents = write(SmallModel(small_gpt2()));
  const std::map<std::string, std::string> expected{
      {"general.architecture", "gpt2"},
      {"general.file_type", "0"},
      {"general.name", "a name"},
      {"gpt2.vocab_size", "11"},
      {"gpt2.block_count", "2"},
      {"gpt2.context_length", "6"},
      {"gpt2.embedding_length", "8"},
      {"gpt2.feed_forward_length", "32"},
      {"gpt2.attention.head_count", "2"},
      {"gpt2.attention.layer_norm_epsilon", "1e-05"},
      {"tokenizer.ggml.model", "gpt2"},
      {"tokenizer.ggml.pre", "gpt-2"},
      {"tokenizer.ggml.tokens", "|Ċ|Ġ|a|Ã©|æĹ¥|<|endoftext|>|<|any|>|[PAD7]|[PAD8]|[PAD9]|[PAD10]"},
      {"tokenizer.ggml.token_type", "|1|1|1|1|1|3|4|5|5|5|5"},
      {"tokenizer.ggml.merges", "|Ã ©|æ Ĺ|æĹ ¥"},
      {"tokenizer.ggml.bos_token_id", "5"},
      {"tokenizer.ggml.eos_token_id", "5"},
      {"tokenizer.ggml.add_bos_token", "false"},
      {"tokenizer.ggml.add_eos_token", "false"},
  };
  EXPECT_EQ(contents.keys, expected);
}

TEST(Gguf, KeysOfLlama) {
  const Contents contents = write(SmallModel(small_llama(6)), DataType::bf16, {});
  const std::map<std::string, std::string> expected{
      {"general.architecture", "llama"},
      {"general.file_type", "32"},
      {"general.name", "a name"},
      {"llama.vocab_size", "11"},
      {"llama.block_count", "2"},
      {"llama.context_length", "6"},
      {"llama.embedding_length", "8"},
      {"llama.feed_forward_length", "12"},
      {"llama.attention.head_count", "2"},
      {"llama.attention.head_count_kv", "1"},
      {"llama.attention.key_length", "6"},
      {"llama.attention.value_length", "6"},
      {"llama.attention.layer_norm_rms_epsilon", "1e-05"},
      {"llama.rope.dimension_count", "6"},
      {"llama.rope.freq_base", "500"},
  };
  for (const auto& [name, value] : expected) EXPECT_EQ(contents.keys.at(name), value) << name;
  EXPECT_FALSE(contents.keys.contains("tokenizer.ggml.bos_token_id"));
  EXPECT_EQ(contents.keys.size(), expected.size() + 7);  // and the tokenizer's
}

TEST(Gguf, TensorsOfGpt2AreTurnedAndTheEmbeddingIsThereTwice) {
  ModelConfig config = small_gpt2();
  for (const bool tied : {true, false}) {
    config.tie_embeddings = tied;
    const SmallModel small(config);
    const Contents contents = write(small);
    EXPECT_EQ(contents.tensors.size(), 5 + 12 * 2u);
    expect_values(contents, "token_embd.weight", small["wte.weight"]);
    expect_values(contents, "position_embd.weight", small["wpe.weight"]);
    expect_values(contents, "output.weight", small[tied ? "wte.weight" : "lm_head.weight"]);
    expect_values(contents, "output_norm.bias", small["ln_f.bias"]);
    expect_values(contents, "blk.1.attn_norm.weight", small["h.1.ln_1.weight"]);
    expect_values(contents, "blk.1.attn_qkv.weight", small["h.1.attn.c_attn.weight"].transpose());
    expect_values(contents, "blk.1.attn_qkv.bias", small["h.1.attn.c_attn.bias"]);
    expect_values(contents, "blk.0.attn_output.weight", small["h.0.attn.c_proj.weight"].transpose());  // square
    expect_values(contents, "blk.1.ffn_norm.weight", small["h.1.ln_2.weight"]);
    expect_values(contents, "blk.1.ffn_up.weight", small["h.1.mlp.c_fc.weight"].transpose());
    expect_values(contents, "blk.1.ffn_down.weight", small["h.1.mlp.c_proj.weight"].transpose());
    expect_values(contents, "blk.1.ffn_down.bias", small["h.1.mlp.c_proj.bias"]);
  }
}

TEST(Gguf, TensorsOfLlamaAreCutAndTheirRotatedPairsStandSideBySide) {
  const SmallModel small(small_llama());  // C = 8, D = 4, H = 2, K = 1, F = 12
  const Contents contents = write(small);
  EXPECT_EQ(contents.tensors.size(), 3 + 9 * 2u);
  const ConstMat<float> qkv = small["h.1.attn.c_attn.weight"];
  const auto paired = [&](Index begin, Index heads) {  // rows 0, 2, 1, 3 of each head of 4
    RowMajor<float> rows(4 * heads, 8);
    for (Index h = 0; h < heads; ++h) {
      for (const auto& [to, from] : {std::pair(0, 0), std::pair(1, 2), std::pair(2, 1), std::pair(3, 3)})
        rows.row(4 * h + to) = qkv.col(begin + 4 * h + from).transpose();
    }
    return rows;
  };
  expect_values(contents, "blk.1.attn_q.weight", paired(0, 2));
  expect_values(contents, "blk.1.attn_k.weight", paired(8, 1));
  expect_values(contents, "blk.1.attn_v.weight", columns(qkv, 12, 4).transpose());
  expect_values(contents, "blk.1.attn_output.weight", small["h.1.attn.c_proj.weight"].transpose());
  const ConstMat<float> gate_up = small["h.1.mlp.c_fc.weight"];
  expect_values(contents, "blk.1.ffn_gate.weight", columns(gate_up, 0, 12).transpose());
  expect_values(contents, "blk.1.ffn_up.weight", columns(gate_up, 12, 12).transpose());
  expect_values(contents, "blk.1.ffn_down.weight", small["h.1.mlp.c_proj.weight"].transpose());
  expect_values(contents, "blk.0.ffn_norm.weight", small["h.0.ln_2.weight"]);
  expect_values(contents, "token_embd.weight", small["wte.weight"]);
  expect_values(contents, "output.weight", small["lm_head.weight"]);
}

TEST(Gguf, ATiedGpt2HasNoOutputMatrixWhereItIsLeftOut) {
  ModelConfig config = small_gpt2();
  for (const bool tied : {true, false}) {
    config.tie_embeddings = tied;
    const Contents contents = write(SmallModel(config), DataType::f32, {5, 5}, TiedHead::left_out);
    EXPECT_EQ(contents.tensors.contains("output.weight"), !tied);
    EXPECT_EQ(contents.tensors.size(), 5 + 12 * 2u - (tied ? 1 : 0));
  }
}

TEST(Gguf, ATiedLlamaHasNoOutputMatrix) {
  ModelConfig config = small_llama();
  config.tie_embeddings = true;
  EXPECT_FALSE(write(SmallModel(config)).tensors.contains("output.weight"));
}

TEST(Gguf, InHalfPrecisionVectorsAndPositionsStayF32) {
  for (const auto& [type, number] : {std::pair(DataType::f16, 1u), std::pair(DataType::bf16, 30u)}) {
    const SmallModel small(small_gpt2());
    const Contents contents = write(small, type);
    for (const auto& [name, tensor] : contents.tensors) {
      EXPECT_EQ(tensor.type, tensor.sizes.size() == 1 || name == "position_embd.weight" ? 0 : number) << name;
    }
    std::uint16_t bits = 0;
    std::memcpy(&bits, contents.tensors.at("token_embd.weight").bytes.data(), 2);
    const float first = small["wte.weight"](0, 0);
    EXPECT_EQ(bits, type == DataType::f16 ? Eigen::numext::bit_cast<std::uint16_t>(static_cast<Eigen::half>(first))
                                          : Eigen::numext::bit_cast<std::uint16_t>(static_cast<bfloat16>(first)));
  }
}

TEST(Gguf, WeightsBeyondF16AreListedAndNothingIsWritten) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  ParameterBuffer<float> weights = small.draw(1);
  weights.mat(small.layout().find("h.0.mlp.c_fc.weight"))(1, 2) = -70000;
  weights.mat(small.layout().find("h.1.attn.c_proj.weight"))(3, 3) = 65519;  // rounds to 65504
  weights.mat(small.layout().find("wte.weight"))(0, 1) = 1e9F;
  weights.vec(small.layout().find("ln_f.bias"))[0] = 1e9F;  // stays F32
  expect_error_with(ExitCode::usage,
                    {"choose bf16 or f32:\n  'token_embd.weight' has 1e+09, beyond F16\n  'blk.0.ffn_up.weight' has "
                     "70000, beyond F16\n  'output.weight'"},
                    [&] {
                      write_gguf_model(scratch.path("m.gguf"), "", small.config(), kSmallVocabulary, std::move(weights),
                                       tokenizer(), {}, DataType::f16);
                    });
  EXPECT_FALSE(std::filesystem::exists(scratch.path("m.gguf")));
}

template <class T>
T value_of(const std::vector<GgufKey>& keys, const std::string& name) {
  const auto found = std::ranges::find(keys, "tokenizer.ggml." + name, &GgufKey::name);
  return found == keys.end() ? T() : std::get<T>(found->value);
}

TEST(GgufTokenizer, BytesAreBpeWithoutMerges) {
  const ByteTokenizer bytes({{"<|start|>", 256}});
  EXPECT_THAT(gguf_unsupported(bytes, 257), IsEmpty());
  const auto keys = gguf_tokenizer_keys(bytes, 257, {.start = 256, .begin = 256});
  const Words tokens = value_of<Words>(keys, "tokens");
  ASSERT_EQ(tokens.size(), 257u);
  EXPECT_EQ(tokens[0], "Ā");
  EXPECT_EQ(tokens['a'], "a");
  EXPECT_EQ(tokens[' '], "Ġ");
  EXPECT_EQ(tokens[255], "ÿ");
  EXPECT_EQ(value_of<Words>(keys, "merges"), Words());
  EXPECT_TRUE(value_of<bool>(keys, "add_bos_token")) << "as kiln itself begins a text with it";
  EXPECT_EQ(value_of<std::uint32_t>(keys, "bos_token_id"), 256u);
}

TEST(GgufTokenizer, IdsOfDataHaveNoTokens) {
  const NoneTokenizer none(77);
  EXPECT_THAT(gguf_unsupported(none, 77), IsEmpty());
  const auto keys = gguf_tokenizer_keys(none, 77, {});
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(value_of<std::string>(keys, "model"), "none");
}

/// The tokenizer's merges in its order, and llama.cpp's name for its pattern.
TEST(GgufTokenizer, BpeKeepsItsMergesAndNamesItsPattern) {
  const std::vector<std::string> texts{"the cat sat on the mat with the hat  that 12345", "the the the 'T"};
  const std::vector<std::string_view> documents(texts.begin(), texts.end());
  TokenizerConfig config;
  config.vocab_size = 261;
  for (const auto& [pattern, name] : {std::pair(SplitPattern::gpt2, "gpt-2"), std::pair(SplitPattern::cl100k, "dbrx"),
                                      std::pair(SplitPattern::gpt2_digits, "smollm")}) {
    config.pattern = pattern;
    const auto bpe = make_tokenizer(config, documents);
    EXPECT_THAT(gguf_unsupported(*bpe, 261), IsEmpty());
    const auto keys = gguf_tokenizer_keys(*bpe, 261, {260, 260});
    EXPECT_EQ(value_of<std::string>(keys, "pre"), name);
    EXPECT_THAT(value_of<Words>(keys, "merges"), ElementsAre("t h", "th e", "a t", "Ġ the"));
    EXPECT_EQ(value_of<Words>(keys, "tokens")[259], "Ġthe");
    EXPECT_EQ(value_of<Numbers>(keys, "token_type")[260], 3);
  }
}

TEST(GgufTokenizer, UpToThreeEndTokensHaveAKeyEach) {
  const auto keys = gguf_tokenizer_keys(ByteTokenizer({}), 256, {.ends = {9, 8, 7, 6}});
  EXPECT_EQ(value_of<std::uint32_t>(keys, "eos_token_id"), 9u);
  EXPECT_EQ(value_of<std::uint32_t>(keys, "eot_token_id"), 8u);
  EXPECT_EQ(value_of<std::uint32_t>(keys, "eom_token_id"), 7u);
  EXPECT_THAT(gguf_warnings(ByteTokenizer({}), {.ends = {9, 8, 7, 6}}),
              ElementsAre(HasSubstr("4 tokens that end a text, but GGUF holds only 3")));
}

TEST(GgufTokenizer, SaysWhatLlamaCppCannotKeepOrAssumes) {
  const CharTokenizer twice(U"a ", {{"Ġ", 2}});
  EXPECT_THAT(gguf_unsupported(twice, 3),
              ElementsAre("tokens 1 and 2 would both be written \"Ġ\", and llama.cpp takes each text once"));
  EXPECT_THAT(gguf_warnings(ByteTokenizer({}), {}), ElementsAre(HasSubstr("assumes token 11 and ends texts there")));
  EXPECT_THAT(gguf_warnings(ByteTokenizer({}), {.ends = {3}}), IsEmpty());
  EXPECT_THAT(gguf_warnings(ByteTokenizer({{"<|paragraph|>", 256}}), {.ends = {3}}),
              ElementsAre("llama.cpp does not insert <|paragraph|> into a prompt, as kiln does"));
}

}  // namespace
}  // namespace kiln
