// Model folders by value: a missed transpose of a square matrix passes every check of shapes.
#include "kiln/interop/huggingface.h"

#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/interop/tensor_table.h"
#include "kiln/tensor/safetensors.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/small_models.h"

namespace kiln {
namespace {

using testing::expect_error_with;
using testing::expect_same;
using testing::kSmallVocabulary;
using testing::Scratch;
using testing::small_gpt2;
using testing::small_llama;
using testing::small_modern;
using testing::SmallModel;

FileDigests save(const Scratch& scratch, const SmallModel& small) {
  return write_huggingface_folder(scratch.path(), small.config(), kSmallVocabulary, small.weights, {"{}", "", {}});
}

TEST(HuggingFace, RoundTripsEveryFamilyTiedAndNotWithBiasesAndWithout) {
  for (ModelConfig config : {small_gpt2(), small_llama(), small_llama(6), small_modern()}) {
    for (const bool flip_tie : {false, true}) {
      for (const bool flip_bias : {false, true}) {
        const Scratch scratch;
        config.tie_embeddings ^= flip_tie;
        config.bias ^= flip_bias;
        const SmallModel small(config);
        save(scratch, small);
        expect_same(read_huggingface_weights(scratch.path(), config, small.layout()), small.weights);
      }
    }
  }
}

TEST(HuggingFace, RoundTripsRewardModelsUnderTransformersNames) {
  for (const ModelConfig& config : {small_gpt2(), small_llama(), small_modern()}) {
    const Scratch scratch;
    const SmallModel small(testing::scoring(config));
    save(scratch, small);
    expect_same(read_huggingface_weights(scratch.path(), small.config(), small.layout()), small.weights);
    const SafetensorsFile file(scratch.path("model.safetensors"));
    EXPECT_EQ(file.find("score.weight")->shape, (std::vector<Index>{1, 8}));
    const std::vector<float> score = file.read<float>("score.weight");
    EXPECT_TRUE(mat(score.data(), 1, 8) == small["score.weight"]);
    EXPECT_EQ(file.find("lm_head.weight"), nullptr);
    for (const TensorInfo& tensor : file.tensors()) {
      if (tensor.name == "score.weight" || family_of(config) == Family::kiln) continue;
      EXPECT_TRUE(tensor.name.starts_with(family_of(config) == Family::gpt2 ? "transformer." : "model."))
          << tensor.name;
    }
  }
}

TEST(HuggingFace, OfALanguageModelARewardModelReadsTheTrunk) {
  for (ModelConfig config : {small_gpt2(), small_llama(), small_modern()}) {
    for (const bool tied : {false, true}) {
      const Scratch scratch;
      config.tie_embeddings = tied;
      const SmallModel language(config), reward(testing::scoring(config), 2);
      save(scratch, language);
      ParameterBuffer<float> read = reward.draw(2);
      read_huggingface_weights(scratch.path(), config, read);
      for (const Parameter& p : reward.layout().parameters()) {
        const bool is_score = p.name == "score.weight";
        const ParameterBuffer<float>& from = is_score ? reward.weights : language.weights;
        EXPECT_TRUE(as_const(read.vec(p.id)) == from.vec(from.layout().find(p.key))) << p.name;
      }
      expect_error_with(ExitCode::bad_input, {"'score.weight' [1, 8] is missing"},
                        [&] { read_huggingface_weights(scratch.path(), reward.config(), reward.layout()); });
    }
  }
}

TEST(HuggingFace, ReadsIntoABufferThatIsThere) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  save(scratch, small);
  ParameterBuffer<float> other = small.draw(99);
  read_huggingface_weights(scratch.path(), small.config(), other);
  expect_same(other, small.weights);
}

TEST(HuggingFace, Gpt2sMatricesStandAsTheyAre) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  save(scratch, small);
  const SafetensorsFile file(scratch.path("model.safetensors"));
  for (const std::string name : {"wte.weight", "wpe.weight", "h.1.attn.c_attn.weight", "h.1.attn.c_proj.weight",
                                 "h.0.mlp.c_fc.weight", "h.0.mlp.c_proj.bias", "ln_f.weight"}) {
    const ConstMat<float> expected = small[name];
    const std::vector<float> values = file.read<float>(name);
    EXPECT_TRUE(mat(values.data(), expected.rows(), expected.cols()) == expected) << name;
  }
}

TEST(HuggingFace, LlamasMatricesAreTransposedAndCut) {
  const Scratch scratch;
  const SmallModel small(small_llama());  // C = 8, D = 4, H = 2, K = 1, F = 12
  save(scratch, small);
  const SafetensorsFile file(scratch.path("model.safetensors"));
  auto expect_transposed = [&](const char* name, ConstMat<float> ours) {
    const std::vector<float> values = file.read<float>(std::string("model.layers.1.") + name);
    EXPECT_EQ(file.find(std::string("model.layers.1.") + name)->shape, (std::vector<Index>{ours.cols(), ours.rows()}));
    EXPECT_TRUE(mat(values.data(), ours.cols(), ours.rows()) == ours.transpose()) << name;
  };
  const ConstMat<float> qkv = small["h.1.attn.c_attn.weight"];
  expect_transposed("self_attn.q_proj.weight", columns(qkv, 0, 8));
  expect_transposed("self_attn.k_proj.weight", columns(qkv, 8, 4));
  expect_transposed("self_attn.v_proj.weight", columns(qkv, 12, 4));
  expect_transposed("self_attn.o_proj.weight", small["h.1.attn.c_proj.weight"]);  // square
  const ConstMat<float> gate_up = small["h.1.mlp.c_fc.weight"];
  expect_transposed("mlp.gate_proj.weight", columns(gate_up, 0, 12));
  expect_transposed("mlp.up_proj.weight", columns(gate_up, 12, 12));
  expect_transposed("mlp.down_proj.weight", small["h.1.mlp.c_proj.weight"]);
  const std::vector<float> head = file.read<float>("lm_head.weight");
  EXPECT_TRUE(mat(head.data(), kSmallVocabulary, 8) == small["lm_head.weight"]);
}

TEST(HuggingFace, DigestsAreThoseOfTheFiles) {
  const Scratch scratch;
  const FileDigests digests = save(scratch, SmallModel(small_gpt2()));
  EXPECT_EQ(digests.size(), 4u);  // no tokenizer_config.json, whose text is empty
  for (const auto& [name, digest] : digests) {
    EXPECT_EQ(digest, (FileDigest{std::filesystem::file_size(scratch.path(name)), hash_file(scratch.path(name))}));
  }
}

/// A GPT-2 saved by others: each tensor of the table under its name changed by `rename`, "" leaving it out.
template <class Rename>
void save_renamed(const Scratch& scratch, const SmallModel& small, Rename&& rename,
                  std::vector<TensorSource> sources = {}, DataType type = DataType::f32) {
  for (const TensorPlace& place : tensor_table(small.config(), small.layout())) {
    const std::string name = rename(place.name);
    if (name.empty()) continue;
    sources.push_back({name, place.shape, small.weights.mat(place.parameter), false, type});
  }
  write_safetensors(scratch.path("model.safetensors"), sources);
}

std::string same(const std::string& name) { return name; }

TEST(HuggingFace, ReadsNamesWithThePrefixAndPassesOverMasks) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  const RowMajor<float> mask = RowMajor<float>::Ones(6, 6);
  const ConstMat<float> values = mat(mask.data(), 6, 6);
  save_renamed(scratch, small, [](const std::string& name) { return "transformer." + name; },
               {{"transformer.h.0.attn.bias", {1, 1, 6, 6}, values}, {"h.1.attn.masked_bias", {36}, values}});
  expect_same(read_huggingface_weights(scratch.path(), small.config(), small.layout()), small.weights);
}

/// transformers stores a tied matrix once, and may keep the unembedding's name.
TEST(HuggingFace, ReadsATiedEmbeddingUnderTheNameOfTheUnembeddingAlone) {
  for (ModelConfig config : {small_gpt2(), small_llama()}) {
    config.tie_embeddings = true;
    const Scratch scratch;
    const SmallModel small(config);
    const std::string embedding = tensor_table(config, small.layout()).front().name;
    const auto rename = [&](const std::string& name) { return name == embedding ? "" : name; };
    if (family_of(config) == Family::gpt2) {
      save_renamed(scratch, small, rename, {{"lm_head.weight", {kSmallVocabulary, 8}, small["wte.weight"]}});
      expect_same(read_huggingface_weights(scratch.path(), config, small.layout()), small.weights);
      continue;
    }
    save(scratch, small);
    const SafetensorsFile file(scratch.path("model.safetensors"));
    std::vector<std::vector<float>> values;
    std::vector<TensorSource> sources;
    for (const TensorInfo& tensor : file.tensors()) {
      const std::vector<float>& kept = values.emplace_back(file.read<float>(tensor.name));
      const Index columns = tensor.shape.back();
      sources.push_back({tensor.name == embedding ? "lm_head.weight" : tensor.name, tensor.shape,
                         mat(kept.data(), std::ssize(kept) / columns, columns)});
    }
    write_safetensors(scratch.path("model.safetensors"), sources);
    expect_same(read_huggingface_weights(scratch.path(), config, small.layout()), small.weights);
  }
}

TEST(HuggingFace, ReadsHalfPrecision) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  save_renamed(scratch, small, same, {}, DataType::bf16);
  const ParameterBuffer<float> read = read_huggingface_weights(scratch.path(), small.config(), small.layout());
  for (Index i = 0; i < read.all().size(); ++i) {
    EXPECT_EQ(read.all()[i], static_cast<float>(static_cast<bfloat16>(small.weights.all()[i])));
  }
}

TEST(HuggingFace, WritesHalfPrecisionAndSaysSo) {
  for (const auto& [type, name] : {std::pair(DataType::f16, "float16"), std::pair(DataType::bf16, "bfloat16")}) {
    for (const ModelConfig& config : {small_gpt2(), small_llama()}) {
      const Scratch scratch;
      const SmallModel small(config);
      write_huggingface_folder(scratch.path(), config, kSmallVocabulary, small.weights, {"{}", "", {}}, {.type = type});
      EXPECT_EQ(parse_json(read_file(scratch.path("config.json")), "config")["torch_dtype"], name);
      const SafetensorsFile file(scratch.path("model.safetensors"));
      for (const TensorInfo& tensor : file.tensors()) EXPECT_EQ(tensor.type, type) << tensor.name;
      const ParameterBuffer<float> read = read_huggingface_weights(scratch.path(), config, small.layout());
      const auto rounded = [type = type](float value) {
        return type == DataType::f16 ? static_cast<float>(static_cast<Eigen::half>(value))
                                     : static_cast<float>(static_cast<bfloat16>(value));
      };
      EXPECT_TRUE(read.all() == small.weights.all().unaryExpr(rounded)) << name;
    }
  }
}

TEST(HuggingFace, ListsAllDifferencesAtOnce) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  const ConstMat<float> wpe = small["wpe.weight"];
  auto rename = [](const std::string& name) -> std::string {
    if (name == "h.0.ln_1.bias" || name == "wpe.weight") return "";
    return name == "ln_f.bias" ? "ln_f.beta" : name;
  };
  save_renamed(scratch, small, rename, {{"wpe.weight", {8, 6}, wpe}});
  expect_error_with(ExitCode::bad_input,
                    {"model.safetensors: the tensors are not those that the config describes:",
                     "'h.0.ln_1.bias' [8] is missing", "'wpe.weight' has shape [8, 6], the config wants [6, 8]",
                     "'ln_f.bias' [8] is missing", "'ln_f.beta' [8] is not of this model"},
                    [&] { read_huggingface_weights(scratch.path(), small.config(), small.layout()); });
}

TEST(HuggingFace, ATiedUnembeddingThatWasSavedHasToBeTheEmbedding) {
  const SmallModel small(small_gpt2());
  {
    const Scratch scratch;
    save_renamed(scratch, small, same, {{"lm_head.weight", {kSmallVocabulary, 8}, small["wte.weight"]}});
    expect_same(read_huggingface_weights(scratch.path(), small.config(), small.layout()), small.weights);
  }
  const Scratch scratch;
  const RowMajor<float> other = RowMajor<float>::Ones(kSmallVocabulary, 8);
  save_renamed(scratch, small, same,
               {{"lm_head.weight", {kSmallVocabulary, 8}, mat(other.data(), kSmallVocabulary, 8)}});
  expect_error_with(ExitCode::bad_input, {"'lm_head.weight' is not the token embedding", "tie_word_embeddings"},
                    [&] { read_huggingface_weights(scratch.path(), small.config(), small.layout()); });
}

TEST(HuggingFace, BiasesThatTheModelLacksHaveToBeZero) {
  const Scratch scratch;
  save(scratch, SmallModel(small_gpt2()));
  ModelConfig config = small_gpt2();
  config.bias = false;
  const SmallModel small(config);
  expect_error_with(ExitCode::bad_input, {"bias' is not zero, and the config wants no biases"},
                    [&] { read_huggingface_weights(scratch.path(), config, small.layout()); });
}

TEST(HuggingFace, SizesThatNoTensorBearsOutAreHeldToThoseOfTheWeights) {
  const Scratch scratch;
  const SmallModel small(small_llama(6));
  write_huggingface_folder(scratch.path(), small.config(), kSmallVocabulary, small.weights, {"{}", "", {}});
  ModelConfig config = small.config();
  config.n_ctx = 1'000'000;  // tables of 24 MB
  check_config_against_weights(scratch.path(), config);
  const auto refused = [&](std::initializer_list<std::string_view> parts) {
    expect_error_with(ExitCode::bad_input, parts, [&] { check_config_against_weights(scratch.path(), config); });
  };
  config.n_ctx = Index{1} << 31;
  refused({"model.safetensors", "2,147,483,648 positions", "51.54 GB", "do they belong to two models?"});
  config.position = PositionKind::sinusoidal;
  refused({"2,147,483,648 positions", "68.72 GB"});
  config.position = PositionKind::alibi;
  check_config_against_weights(scratch.path(), config);
  config.n_heads = Index{1} << 31;
  refused({"8.59 GB"});
  config.n_layers = 100'000;
  refused({"holds 21 tensors", "wants 100,000 layers"});
}

TEST(HuggingFace, AFolderWithoutWeightsSaysSo) {
  const Scratch scratch;
  const SmallModel small(small_gpt2());
  expect_error_with(ExitCode::bad_input, {"there is no model.safetensors"},
                    [&] { read_huggingface_weights(scratch.path(), small.config(), small.layout()); });
}

}  // namespace
}  // namespace kiln
