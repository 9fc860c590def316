// Reward models as checkpoints, as adapters and as the end of a language model's trunk; and where they are refused.
#include "kiln/core/file.h"
#include "kiln/nn/adapter.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/run/model_loader.h"
#include "kiln/run/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/error_parts.h"
#include "support/scratch.h"
#include "support/small_checkpoint.h"
#include "text/byte_tokenizer.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

using testing::expect_error_with;
using testing::expect_same;
using testing::kSmallVocabulary;
using testing::scoring;
using testing::Scratch;
using testing::SmallTraining;

std::vector<ModelConfig> families() { return {testing::small_gpt2(), testing::small_llama(), testing::small_modern()}; }

/// Expects the trunk of `found` to be that of `trunk`, and its head that of `head`.
template <class T>
void expect_trunk_and_score(const ParameterBuffer<T>& found, const ParameterBuffer<float>& trunk,
                            const ParameterBuffer<float>& head) {
  for (const Parameter& p : found.layout().parameters()) {
    const ParameterBuffer<float>& from = p.role == Role::score ? head : trunk;
    const ConstMat<float> expected = from.mat(from.layout().find(p.key));
    EXPECT_TRUE(found.mat(p.id) == expected.topRows(p.rows).template cast<T>()) << p.name;
  }
}

class RewardModels : public ::testing::Test {
 protected:
  fs::path save(const std::string& name, SmallTraining& training) const {
    return save_checkpoint(scratch_.path(name) / "checkpoints", training.contents(3), false, 9);
  }

  /// Leaves what another program would write.
  static void forget_run(const fs::path& folder) {
    for (const char* name : {"kiln.json", "manifest.json", "optimizer.safetensors", "trainer.json"})
      fs::remove(folder / name);
  }

  Scratch scratch_;
};

TEST_F(RewardModels, ACheckpointSaysThatItIsOne) {
  for (const ModelConfig& config : families()) {
    SmallTraining reward(scoring(config));
    const fs::path folder = save("reward", reward);
    const ModelSource source = open_model(folder);
    EXPECT_EQ(source.model.head, HeadKind::score);
    EXPECT_EQ(source.config->model.head, HeadKind::score);
    expect_same(load_model(folder, {}, ModelKind::reward).weights->masters(), reward.small.weights);
    EXPECT_TRUE(examine_checkpoint(folder).problems.empty());
    forget_run(folder);
    expect_same(load_model(folder, {}, ModelKind::either).weights->masters(), reward.small.weights);
  }
}

TEST_F(RewardModels, EachKindIsRefusedInPlaceOfTheOther) {
  SmallTraining reward(scoring(testing::small_llama())), language(testing::small_llama());
  const fs::path scores = save("reward", reward), predicts = save("language", language);
  const auto expect_refused = [&] {
    expect_error_with(ExitCode::usage, {scores.string(), "is a reward model, which scores answers: use kiln score"},
                      [&] { load_model(scores); });
    expect_error_with(ExitCode::usage, {"is a reward model"},
                      [&] { load_model_with_tokenizer(scores, predicts / "tokenizer.json"); });
    expect_error_with(ExitCode::usage,
                      {predicts.string(), "is a language model", "a reward model is expected", "objective.type"},
                      [&] { load_model(predicts, {}, ModelKind::reward); });
  };
  expect_refused();
  forget_run(scores);
  forget_run(predicts);
  expect_refused();
  EXPECT_EQ(load_model(predicts).model->score_head(), nullptr);
}

TEST_F(RewardModels, BeginWithTheTrunkOfALanguageModel) {
  for (ModelConfig config : families()) {
    for (const bool tied : {true, false}) {
      config.tie_embeddings = tied;
      SmallTraining language(config);
      const ModelSource source = open_model(save("language", language));
      const testing::SmallModel reward(scoring(config), 2);
      ParameterBuffer<float> weights = reward.draw(2);
      read_weights(source, weights);
      expect_trunk_and_score(weights, language.small.weights, reward.weights);
      ParameterBuffer<bfloat16> rounded(reward.layout());
      for (const Parameter& p : reward.layout().parameters())
        rounded.vec(p.id) = reward.weights.vec(p.id).cast<bfloat16>();
      read_weights(source, rounded);
      expect_trunk_and_score(rounded, language.small.weights, reward.weights);
    }
  }
}

TEST_F(RewardModels, BeginWithFewerPositionsOrARewardModel) {
  SmallTraining language(testing::small_gpt2()), before(scoring(testing::small_gpt2()), 5);
  ModelConfig shorter = scoring(testing::small_gpt2());
  shorter.n_ctx = 4;
  const testing::SmallModel reward(shorter, 2);
  ParameterBuffer<float> weights = reward.draw(2);
  read_weights(open_model(save("language", language)), weights);
  expect_trunk_and_score(weights, language.small.weights, reward.weights);
  read_weights(open_model(save("before", before)), weights);
  expect_trunk_and_score(weights, before.small.weights, before.small.weights);
}

TEST_F(RewardModels, GiveNoLanguageModel) {
  for (const ModelConfig& config : families()) {
    SmallTraining reward(scoring(config));
    testing::SmallModel language(config);
    const ModelSource source = open_model(save("reward", reward));
    expect_error_with(ExitCode::usage, {"is a reward model, which cannot predict tokens"},
                      [&] { read_weights(source, language.weights); });
  }
}

TEST_F(RewardModels, TokenizersNameTheirPadding) {
  const ByteTokenizer tokenizer(number_special_tokens(std::vector<std::string>{"</s>", "<pad>"}, kByteCount));
  const SpecialIds ids{.ends = {256}, .end = 256};
  const TokenizerFiles reward = tokenizer_files(tokenizer, scoring(testing::small_gpt2()), ids);
  EXPECT_EQ(reward.ids.padding, 257);
  EXPECT_EQ(Json::parse(reward.config)["pad_token"], "<pad>");
  const TokenizerFiles language = tokenizer_files(tokenizer, testing::small_gpt2(), ids);
  EXPECT_EQ(language.ids, ids);
  EXPECT_FALSE(Json::parse(language.config).contains("pad_token"));
}

/// A language model or reward model, and a reward model's adapters over it.
class AdaptedRewardModels : public RewardModels {
 protected:
  /// Returns the adapters' folder; sets `expected` to base, adapters and head in one.
  fs::path save_adapters(const ModelConfig& base_config, std::optional<ParameterBuffer<float>>& expected,
                         ObjectiveKind objective = ObjectiveKind::reward) {
    SmallTraining base(base_config);
    const fs::path base_folder = save("base", base);
    ModelConfig config = scoring(base_config);
    whole_.emplace(config, kSmallVocabulary);
    config.lora = {.rank = 2, .alpha = 3};
    SmallTraining adapted(config, 7);
    adapted.config.objective.type = objective;
    const ParameterLayout saved = saved_parameters(adapted.small.layout());
    ParameterBuffer<float> adapters(saved), m(saved), v(saved);
    for (const Parameter& p : saved.parameters()) adapters.vec(p.id) = adapted.small.weights.vec(p.id);
    CheckpointContents contents = adapted.contents(3);
    contents.optimizer = {{"m", &m}, {"v", &v}};
    contents.base = {.path = base_folder.string(), .hash = hash_weights(base_folder)};

    expected.emplace(whole_->layout);
    for (const Parameter& p : whole_->layout.parameters()) {
      const ParameterId id = base.small.layout().find(p.key);
      if (id) expected->mat(p.id) = base.small.weights.mat(id);
    }
    merge_adapters(config.lora, adapters, *expected);
    EXPECT_TRUE(as_const(expected->vec(expected->layout().find({Module::score}))) ==
                adapters.vec(saved.find({Module::score})));
    return save_checkpoint(scratch_.path("adapted") / "checkpoints", contents, false, 9);
  }

  std::optional<LanguageModel<float>> whole_;
};

TEST_F(AdaptedRewardModels, AreReadAsOneModelWithTheirHead) {
  for (const ModelConfig& family : families()) {
    for (const ModelConfig& base : {family, scoring(family)}) {
      std::optional<ParameterBuffer<float>> expected;
      const fs::path folder = save_adapters(base, expected);
      EXPECT_EQ(Json::parse(read_file(folder / "adapter_config.json"))["task_type"], "SEQ_CLS");
      const LoadedModel loaded = load_model(folder, {}, ModelKind::reward);
      expect_same(loaded.weights->masters(), *expected);
      EXPECT_FALSE(loaded.source.model.lora.is_on());
      EXPECT_TRUE(examine_checkpoint(folder).problems.empty());
      expect_error_with(ExitCode::usage, {"is a reward model"}, [&] { load_model(folder); });
      ParameterBuffer<float> other(whole_->layout);
      read_weights(loaded.source, other);
      expect_same(other, *expected);
      forget_run(folder);  // as PEFT would leave it
      expect_same(load_model(folder, {}, ModelKind::reward).weights->masters(), *expected);
    }
  }
}

TEST_F(AdaptedRewardModels, OfAnObjectiveThatMakesALanguageModelAreFound) {
  std::optional<ParameterBuffer<float>> expected;
  const fs::path folder = save_adapters(testing::small_gpt2(), expected, ObjectiveKind::dpo);
  const std::vector<FileProblem> problems = examine_checkpoint(folder).problems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_TRUE(to_string(problems[0]).starts_with("adapter_config.json: is of a reward model, objective.type dpo"));
}

TEST_F(AdaptedRewardModels, AdaptersOfALanguageModelNeedOne) {
  std::optional<ParameterBuffer<float>> expected;
  const fs::path folder = save_adapters(scoring(testing::small_gpt2()), expected);
  forget_run(folder);
  Json config = Json::parse(read_file(folder / "adapter_config.json"));
  config["task_type"] = "CAUSAL_LM";
  config["modules_to_save"] = nullptr;
  write_file_synced(folder / "adapter_config.json", config.dump());
  expect_error_with(ExitCode::bad_input, {"holds adapters of a language model", "is a reward model"},
                    [&] { open_model(folder); });
}

}  // namespace
}  // namespace kiln
