// config.json both ways, and everything in one that kiln does not compute.
#include "kiln/interop/huggingface_config.h"

#include "kiln/core/error.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/log_capture.h"
#include "support/scratch.h"
#include "support/small_models.h"

namespace kiln {
namespace {

using testing::expect_error;
using testing::expect_error_with;
using testing::kSmallVocabulary;
using testing::scoring;
using testing::Scratch;
using testing::small_gpt2;
using testing::small_llama;
using testing::small_modern;

TEST(HuggingFaceConfig, HasTheKeysOfGpt2) {
  ModelConfig model = small_gpt2();
  model.dropout = 0.25;
  const Json expected = Json::parse(R"({
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 11, "n_positions": 6, "n_ctx": 6,
    "n_embd": 8, "n_layer": 2, "n_head": 2, "n_inner": 32, "activation_function": "gelu_new", "resid_pdrop": 0.25,
    "embd_pdrop": 0.25, "attn_pdrop": 0.25, "layer_norm_epsilon": 1e-05, "initializer_range": 0.02,
    "scale_attn_weights": true, "scale_attn_by_inverse_layer_idx": false, "reorder_and_upcast_attn": false,
    "bos_token_id": 3, "eos_token_id": null, "tie_word_embeddings": true, "torch_dtype": "float32",
    "transformers_version": "4.40.2"})");
  EXPECT_EQ(huggingface_config(model, kSmallVocabulary, {.begin = 3}), expected);
}

TEST(HuggingFaceConfig, HasTheKeysOfLlama) {
  const Json expected = Json::parse(R"({
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 11, "max_position_embeddings": 6,
    "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 6, "hidden_act": "silu", "attention_bias": false, "mlp_bias": false,
    "attention_dropout": 0.0, "initializer_range": 0.02, "rms_norm_eps": 1e-05, "rope_theta": 500.0,
    "rope_scaling": null, "bos_token_id": null, "eos_token_id": 10, "tie_word_embeddings": false,
    "torch_dtype": "float32", "transformers_version": "4.40.2"})");
  EXPECT_EQ(huggingface_config(small_llama(6), kSmallVocabulary, {.ends = {10}}), expected);
}

TEST(HuggingFaceConfig, ARewardModelIsAClassifierOfOneLabel) {
  const Json language = huggingface_config(small_gpt2(), kSmallVocabulary, {.ends = {3}});
  Json expected = language;
  expected["architectures"] = {"GPT2ForSequenceClassification"};
  expected.update(Json::parse(R"({"num_labels": 1, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0},
                                  "pad_token_id": 7})"));
  EXPECT_EQ(huggingface_config(scoring(small_gpt2()), kSmallVocabulary, {.ends = {3}, .padding = 7}), expected);
  EXPECT_FALSE(language.contains("pad_token_id"));
  const Json without = huggingface_config(scoring(small_llama()), kSmallVocabulary, {});
  EXPECT_EQ(without["architectures"], Json::parse(R"(["LlamaForSequenceClassification"])"));
  EXPECT_EQ(without["pad_token_id"], nullptr);
  EXPECT_EQ(huggingface_config(scoring(small_modern()), kSmallVocabulary, {})["architectures"],
            Json::parse(R"(["KilnForSequenceClassification"])"));
}

TEST(HuggingFaceConfig, GenerationConfigNamesTheIds) {
  EXPECT_EQ(huggingface_generation_config({.begin = 1, .ends = {2}}), Json::parse(R"({"_from_model_config": true,
      "bos_token_id": 1, "eos_token_id": 2, "transformers_version": "4.40.2"})"));
}

TEST(HuggingFaceConfig, IdsOutsideOfTheVocabularyAreWarnedOf) {
  const Scratch scratch;
  const std::string config = scratch.write("config.json", R"({"eos_token_id": 50256, "bos_token_id": null})");
  const std::string generation =
      scratch.write("generation_config.json", R"({"eos_token_id": [258, -1, "259"], "bos_token_id": 259})");
  const testing::LogCapture log;
  warn_of_unknown_ids(scratch.path(), 259);
  const std::string end =
      " is ignored: the vocabulary has 259 tokens, with ids 0 to 258; correct it there, or remove it\n";
  EXPECT_EQ(log.text(), "warning: " + config + ": /eos_token_id: 50256" + end +        //
                            "warning: " + generation + ": /bos_token_id: 259" + end +  //
                            "warning: " + generation + ": /eos_token_id: -1" + end +   //
                            "warning: " + generation + ": /eos_token_id: \"259\"" + end);
  EXPECT_EQ(read_named_tokens(scratch.path(), 259).further_ends, std::vector<TokenId>{258});
}

TEST(HuggingFaceConfig, RoundTripsEveryFamily) {
  for (ModelConfig model : {small_gpt2(), small_llama(), small_llama(6), small_modern()}) {
    const Scratch scratch;
    model.dropout = 0.1;
    scratch.write("config.json", format_json(huggingface_config(model, kSmallVocabulary, {})));
    const ModelDescription read = read_huggingface_config(scratch.path());
    EXPECT_EQ(to_json(read.model), to_json(model));
    EXPECT_EQ(read.vocab_size, kSmallVocabulary);
    EXPECT_EQ(read.model.head, HeadKind::next_token);
    EXPECT_EQ(read_head(scratch.path()), HeadKind::next_token);
    scratch.write("config.json", format_json(huggingface_config(scoring(model), kSmallVocabulary, {})));
    const ModelDescription reward = read_huggingface_config(scratch.path());
    EXPECT_EQ(to_json(reward.model), to_json(model));
    EXPECT_EQ(reward.model.head, HeadKind::score);
    EXPECT_EQ(read_head(scratch.path()), HeadKind::score);
  }
  EXPECT_EQ(read_head(Scratch().path()), std::nullopt);
}

ModelConfig read_text(const std::string& text) {
  const Scratch scratch;
  scratch.write("config.json", text);
  return read_huggingface_config(scratch.path()).model;
}

TEST(HuggingFaceConfig, ReadsOpenAisOwn) {
  const ModelConfig m = read_text(R"({"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.1, "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12,
    "n_positions": 1024, "resid_pdrop": 0.1, "summary_activation": null, "summary_use_proj": true,
    "task_specific_params": {"text-generation": {"do_sample": true}}, "vocab_size": 50257})");
  EXPECT_EQ(m.mlp_size(), 3072);
  EXPECT_EQ(m.head_size(), 64);
  EXPECT_TRUE(m.tie_embeddings && m.bias);
  EXPECT_EQ(m.activation, Activation::gelu_new);
}

constexpr const char* kLlama =
    R"("model_type": "llama", "vocab_size": 9, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
       "num_attention_heads": 2, "max_position_embeddings": 32)";

TEST(HuggingFaceConfig, LlamasDefaultsAreTransformers) {
  const ModelConfig m = read_text(fmt::format("{{{}}}", kLlama));
  EXPECT_EQ(m.kv_heads(), 2);
  EXPECT_EQ(m.rope_theta, 10000);
  EXPECT_EQ(m.norm_epsilon, 1e-6);
  EXPECT_FALSE(m.tie_embeddings);
  EXPECT_EQ(read_text(fmt::format(R"({{{}, "rope_parameters": {{"rope_type": "default", "rope_theta": 7}}}})", kLlama))
                .rope_theta,
            7);
}

TEST(HuggingFaceConfig, NamesAllThatIsNotSupported) {
  const Scratch scratch;
  const std::string path = scratch.write("config.json", R"({"model_type": "gpt2", "vocab_size": 9, "n_embd": 8,
    "n_head": 2, "n_layer": 1, "n_positions": 4, "scale_attn_weights": false, "scale_attn_by_inverse_layer_idx": true,
    "reorder_and_upcast_attn": true, "activation_function": "tanh"})");
  expect_error(
      ExitCode::bad_input,
      path + R"(: /activation_function: "tanh" is not supported; relu, relu2, gelu, gelu_new or silu is expected)" +
          "\n" + path + ": /scale_attn_weights: false is not supported; kiln computes only true\n" + path +
          ": /scale_attn_by_inverse_layer_idx: true is not supported; kiln computes only false\n" + path +
          ": /reorder_and_upcast_attn: true is not supported; kiln computes only false",
      [&] { read_huggingface_config(scratch.path()); });
}

TEST(HuggingFaceConfig, NamesWhatIsNotSupportedOfLlama) {
  const char* const extras[] = {R"("attention_bias": true)",
                                R"("mlp_bias": true)",
                                R"("hidden_act": "gelu")",
                                R"("rope_scaling": {"type": "linear", "factor": 2})",
                                R"("rope_parameters": {"rope_type": "llama3", "rope_theta": 7})",
                                R"("quantization_config": {"bits": 4})"};
  for (const std::string extra : extras) {
    const std::string key = extra.substr(1, extra.find(':') - 2);
    expect_error_with(ExitCode::bad_input, {"config.json: /" + key + ": ", "is not supported"},
                      [&] { read_text(fmt::format("{{{}, {}}}", kLlama, extra)); });
  }
}

TEST(HuggingFaceConfig, AClassifierOfSeveralLabelsIsRefused) {
  const auto text = [](const std::string& labels) {
    return fmt::format(R"({{{}, "architectures": ["LlamaForSequenceClassification"]{}}})", kLlama, labels);
  };
  const auto refused = [&](const std::string& labels, std::string_view message) {
    expect_error_with(ExitCode::bad_input, {message, "kiln reads reward models, which have 1"},
                      [&] { read_text(text(labels)); });
  };
  refused("", "config.json: /num_labels: the model has 2 labels");  // transformers' default, which it does not write
  refused(R"(, "num_labels": 5)", "/num_labels: the model has 5 labels");
  refused(R"(, "num_labels": "one")", "/num_labels: the model has \"one\" labels");
  refused(R"(, "id2label": {"0": "bad", "1": "so", "2": "good"}, "num_labels": 1)",
          "/id2label: the model has 3 labels");
  EXPECT_EQ(read_text(text(R"(, "num_labels": 1)")).head, HeadKind::score);
  EXPECT_EQ(read_text(text(R"(, "id2label": {"0": "LABEL_0"})")).head, HeadKind::score);  // as transformers writes it
  EXPECT_EQ(read_text(fmt::format(R"({{{}, "id2label": {{"0": "a", "1": "b"}}}})", kLlama)).head, HeadKind::next_token);
}

TEST(HuggingFaceConfig, NamesWhatIsMissingOrMistyped) {
  expect_error_with(
      ExitCode::bad_input,
      {"/n_layer: is missing", "/n_embd: -8: a count", "/n_head: \"2\": a count", "/n_ctx: is missing",
       "/vocab_size: 3000000000: a count from 1 to 2147483647"},
      [] { read_text(R"({"model_type": "gpt2", "n_embd": -8, "n_head": "2", "vocab_size": 3000000000})"); });
  expect_error_with(ExitCode::bad_input, {"/model_type: \"bert\" is not supported; gpt2, llama or kiln is expected"},
                    [] { read_text(R"({"model_type": "bert", "vocab_size": 3})"); });
  expect_error_with(ExitCode::bad_input, {"an object is expected"}, [] { read_text("[]"); });
}

TEST(HuggingFaceConfig, ProblemsOfTheModelStandAtTheFilesOwnKeys) {
  expect_error_with(ExitCode::bad_input, {"config.json: /n_head: d_model = 8", "config.json: /resid_pdrop: 1"}, [] {
    read_text(R"({"model_type": "gpt2", "vocab_size": 9, "n_embd": 8, "n_head": 3, "n_layer": 1, "n_positions": 4,
                  "resid_pdrop": 1.0})");
  });
  expect_error_with(ExitCode::bad_input, {"config.json: /num_key_value_heads: ", "config.json: /head_dim: "}, [] {
    read_text(R"({"model_type": "llama", "vocab_size": 9, "hidden_size": 8, "num_attention_heads": 4, "head_dim": 3,
                  "num_key_value_heads": 3, "intermediate_size": 8, "num_hidden_layers": 1,
                  "max_position_embeddings": 4})");
  });
}

TEST(HuggingFaceConfig, ASymlinkOutOfTheFolderIsRefused) {
  const Scratch scratch;
  scratch.write("elsewhere/config.json", format_json(huggingface_config(small_gpt2(), kSmallVocabulary, {})));
  std::filesystem::create_directory(scratch.path("folder"));
  std::filesystem::create_symlink("../elsewhere/config.json", scratch.path("folder/config.json"));
  expect_error_with(ExitCode::bad_input, {"\"config.json\" leads out of the folder"},
                    [&] { read_huggingface_config(scratch.path("folder")); });
}

}  // namespace
}  // namespace kiln
