// Folders of adapters: names and shapes as PEFT writes them, and what is refused.
#include "kiln/interop/peft.h"

#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/nn/init.h"
#include "kiln/tensor/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/small_models.h"
#include <map>
#include <string>
#include <vector>

namespace kiln {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::expect_error_with;
using testing::kSmallVocabulary;
using ::testing::Pair;
using testing::Scratch;
using testing::SmallModel;

ModelConfig adapted(ModelConfig config, Index new_tokens = 0) {
  config.lora = {.rank = 3, .alpha = 6, .new_tokens = new_tokens};
  return config;
}

void save(const Scratch& scratch, const SmallModel& small) {
  write_adapters(scratch.path(), small.config(), kSmallVocabulary, "/models/base", small.weights);
}

std::map<std::string, std::vector<Index>> shapes_in(const Scratch& scratch) {
  std::map<std::string, std::vector<Index>> shapes;
  const SafetensorsFile file(scratch.path(std::string(kAdapterWeightsFile)));
  for (const TensorInfo& tensor : file.tensors()) shapes[tensor.name] = tensor.shape;
  return shapes;
}

Json config_in(const Scratch& scratch) { return Json::parse(read_file(scratch.path(std::string(kAdapterConfigFile)))); }

void set_in_config(const Scratch& scratch, const std::string& key, const Json& value) {
  Json config = config_in(scratch);
  config[key] = value;
  scratch.write(std::string(kAdapterConfigFile), config.dump());
}

TEST(Peft, RoundTripsTheAdaptersOfEveryFamily) {
  for (const ModelConfig& config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    for (const Index new_tokens : {0, 2}) {
      const Scratch scratch;
      const SmallModel small(adapted(config, new_tokens));
      save(scratch, small);
      ParameterBuffer<float> read = small.draw(2);
      read_adapters(scratch.path(), small.config(), read);
      for (const Parameter& p : small.layout().parameters()) {
        EXPECT_EQ(read.vec(p.id) == small.weights.vec(p.id), is_adapter(p)) << p.name;
      }
      const AdapterDescription description = read_adapter_description(scratch.path());
      EXPECT_EQ(description.lora.rank, 3);
      EXPECT_EQ(description.lora.alpha, 6);
      EXPECT_EQ(description.lora.new_tokens, new_tokens);
      EXPECT_EQ(description.vocab_size, new_tokens > 0 ? kSmallVocabulary : 0);
      EXPECT_EQ(description.base, "/models/base");
    }
  }
}

TEST(Peft, NamesGpt2sTensorsAsPeftDoes) {
  const Scratch scratch;
  save(scratch, SmallModel(adapted(testing::small_gpt2(), 2)));
  const auto shapes = shapes_in(scratch);
  EXPECT_EQ(shapes.size(), 2u * 4 * 2 + 1);  // layers, linear layers, A and B; new tokens
  EXPECT_THAT(shapes, Contains(Pair("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight", ElementsAre(3, 8))));
  EXPECT_THAT(shapes, Contains(Pair("base_model.model.transformer.h.1.attn.c_attn.lora_B.weight", ElementsAre(24, 3))));
  EXPECT_THAT(shapes, Contains(Pair("base_model.model.transformer.wte.token_adapter.trainable_tokens_delta",
                                    ElementsAre(2, 8))));
  const Json config = config_in(scratch);
  EXPECT_EQ(config["fan_in_fan_out"], true);
  EXPECT_EQ(config["target_modules"], Json({"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}));
  EXPECT_EQ(config["trainable_token_indices"], Json({{"wte", {9, 10}}}));
}

TEST(Peft, NamesLlamasTensorsAsPeftDoes) {
  const Scratch scratch;
  ModelConfig model = adapted(testing::small_llama(), 1);
  model.lora.targets = {"h.*.attn.*", "h.0.mlp.c_fc.weight"};
  save(scratch, SmallModel(model));
  const auto shapes = shapes_in(scratch);
  EXPECT_THAT(shapes,
              Contains(Pair("base_model.model.model.layers.1.self_attn.k_proj.lora_A.weight", ElementsAre(3, 8))));
  EXPECT_THAT(shapes,
              Contains(Pair("base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight", ElementsAre(4, 3))));
  EXPECT_THAT(shapes,
              Contains(Pair("base_model.model.lm_head.token_adapter.trainable_tokens_delta", ElementsAre(1, 8))));
  const Json config = config_in(scratch);
  EXPECT_EQ(config["fan_in_fan_out"], false);
  EXPECT_EQ(config["target_modules"],
            Json({"model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj", "self_attn.k_proj", "self_attn.o_proj",
                  "self_attn.q_proj", "self_attn.v_proj"}));
  EXPECT_EQ(config["trainable_token_indices"], Json({{"embed_tokens", {10}}, {"lm_head", {10}}}));
}

TEST(Peft, ARewardModelsHeadIsSavedBesideItsAdapters) {
  for (const ModelConfig& config : {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}) {
    const Scratch scratch;
    const SmallModel small(testing::scoring(adapted(config, 2)));
    save(scratch, small);
    const Json written = config_in(scratch);
    EXPECT_EQ(written["task_type"], "SEQ_CLS");
    EXPECT_EQ(written["modules_to_save"], Json({"score"}));
    EXPECT_FALSE(written["trainable_token_indices"].contains("lm_head"));
    EXPECT_THAT(shapes_in(scratch), Contains(Pair("base_model.model.score.weight", ElementsAre(1, 8))));
    EXPECT_EQ(read_adapter_description(scratch.path()).head, HeadKind::score);
    ParameterBuffer<float> read = small.draw(2);
    read_adapters(scratch.path(), small.config(), read);
    for (const Parameter& p : small.layout().parameters()) {
      EXPECT_EQ(read.vec(p.id) == small.weights.vec(p.id), trains_with_adapters(p)) << p.name;
    }
    set_in_config(scratch, "modules_to_save", {"score", "classifier", "score"});  // as PEFT writes it
    EXPECT_EQ(read_adapter_description(scratch.path()).head, HeadKind::score);
    set_in_config(scratch, "task_type", nullptr);
    EXPECT_EQ(read_adapter_description(scratch.path()).head, HeadKind::score);
  }
}

TEST(Peft, ARewardModelWithoutItsHeadIsRefused) {
  const Scratch scratch;
  save(scratch, SmallModel(adapted(testing::small_gpt2())));
  const SmallModel reward(testing::scoring(adapted(testing::small_gpt2())));
  ParameterBuffer<float> read = reward.draw(2);
  expect_error_with(ExitCode::bad_input, {"'base_model.model.score.weight' [1, 8] is missing"},
                    [&] { read_adapters(scratch.path(), reward.config(), read); });
}

// litgpt adapts queries and values alone.
TEST(Peft, LayersWithoutAdaptersStayAsTheyAre) {
  const Scratch scratch;
  const SmallModel small(adapted(testing::small_llama()));
  const RowMajor<float> a = RowMajor<float>::Constant(3, 8, 2), b = RowMajor<float>::Constant(4, 3, 5);
  const std::string module = "base_model.model.model.layers.1.self_attn.v_proj.";
  const std::vector<TensorSource> tensors{{module + "lora_A.weight", {3, 8}, mat(a.data(), 3, 8)},
                                          {module + "lora_B.weight", {4, 3}, mat(b.data(), 4, 3)}};
  write_safetensors(scratch.path(std::string(kAdapterWeightsFile)), tensors);
  ParameterBuffer<float> read = small.draw(2);
  read_adapters(scratch.path(), small.config(), read);
  const auto columns_of = [&](TensorKind kind) {
    return as_const(read.mat(small.layout().find({Module::c_attn, 1, kind})));
  };
  EXPECT_TRUE((columns(columns_of(TensorKind::lora_a), 6, 3).array() == 2).all());
  EXPECT_TRUE((columns(columns_of(TensorKind::lora_a), 0, 6).array() == 0).all());
  EXPECT_TRUE((columns(columns_of(TensorKind::lora_b), 12, 4).array() == 5).all());
  EXPECT_TRUE((columns(columns_of(TensorKind::lora_b), 0, 12).array() == 0).all());
}

TEST(Peft, TensorsThatDoNotFitAreListed) {
  const Scratch scratch;
  const SmallModel small(adapted(testing::small_gpt2())), other(adapted(testing::small_llama()));
  save(scratch, small);
  ParameterBuffer<float> read = other.draw(2);
  expect_error_with(
      ExitCode::bad_input,
      {"these are not the adapters of the model", "transformer.h.0.attn.c_attn.lora_A.weight", "is not of this model"},
      [&] { read_adapters(scratch.path(), other.config(), read); });
}

// As PEFT saves adapters over a base whose embedding was resized.
TEST(Peft, CopiesOfTheEmbeddingsAreIgnored) {
  for (const Index new_tokens : {0, 2}) {
    const Scratch scratch;
    const SmallModel small(adapted(testing::small_gpt2(), new_tokens));
    save(scratch, small);
    const std::string file = scratch.path(std::string(kAdapterWeightsFile)).string();
    const RowMajor<float> embedding = RowMajor<float>::Constant(kSmallVocabulary, 8, 2), rows = embedding.topRows(2);
    std::map<std::string, RowMajor<float>> kept;
    {
      const SafetensorsFile saved(file);
      for (const TensorInfo& tensor : saved.tensors()) {
        RowMajor<float>& values = kept[tensor.name];
        values.resize(tensor.shape[0], tensor.shape[1]);
        saved.read<float>(tensor, mat(values.data(), values.rows(), values.cols()), false);
      }
    }
    kept["base_model.model.transformer.wte.token_adapter.base_layer.weight"] = embedding;
    kept["base_model.model.lm_head.token_adapter.base_layer.weight"] = embedding;
    kept["base_model.model.lm_head.token_adapter.trainable_tokens_delta"] = rows;
    std::vector<TensorSource> tensors;
    for (const auto& [name, values] : kept) {
      tensors.push_back({name, {values.rows(), values.cols()}, mat(values.data(), values.rows(), values.cols())});
    }
    write_safetensors(file, tensors);
    ParameterBuffer<float> read = small.draw(2);
    if (new_tokens == 0) {
      expect_error_with(ExitCode::bad_input,
                        {"transformer.wte.token_adapter.base_layer.weight", "is not of this model"},
                        [&] { read_adapters(scratch.path(), small.config(), read); });
      continue;
    }
    read_adapters(scratch.path(), small.config(), read);
    for (const Parameter& p : small.layout().parameters()) {
      EXPECT_EQ(read.vec(p.id) == small.weights.vec(p.id), trains_with_adapters(p)) << p.name;
    }
  }
}

TEST(Peft, OptionsThatKilnLacksAreRefusedByName) {
  const Scratch scratch;
  save(scratch, SmallModel(adapted(testing::small_gpt2())));
  const auto expect_refused = [&](const std::string& key, const Json& value, const std::string& part) {
    const Json before = config_in(scratch);
    set_in_config(scratch, key, value);
    expect_error_with(ExitCode::bad_input, {"/" + key, part}, [&] { read_adapter_description(scratch.path()); });
    scratch.write(std::string(kAdapterConfigFile), before.dump());
  };
  expect_refused("peft_type", "PROMPT_TUNING", "adapters of type LORA");
  expect_refused("use_dora", true, "without it");
  expect_refused("rank_pattern", {{"q_proj", 4}}, "without it");
  expect_refused("bias", "all", "without it");
  expect_refused("modules_to_save", {"lm_head"}, "without it");
  expect_refused("init_lora_weights", "pissa", "changes the base model");
  expect_refused("alora_invocation_tokens", {1, 2}, "without it");
  expect_refused("r", 0, "a rank of 1 to");
  expect_refused("r", "8", "of another type");
  expect_refused("trainable_token_indices", {3, 5}, "in order at the end of the vocabulary");
}

TEST(Peft, PickledAdaptersAreRefused) {
  const Scratch scratch;
  scratch.write(std::string(kAdapterConfigFile), R"({"peft_type": "LORA"})");
  expect_error_with(ExitCode::bad_input, {"there is no adapter_model.safetensors"},
                    [&] { read_adapter_description(scratch.path()); });
  scratch.write("adapter_model.bin", "pickle");
  expect_error_with(ExitCode::bad_input,
                    {"adapter_model.bin: is pickled", "save the adapters as adapter_model.safetensors"},
                    [&] { read_adapter_description(scratch.path()); });
}

}  // namespace
}  // namespace kiln
