// The first weights of a reward model: the trunk of its base, and a head of its own.
#include "kiln/interop/huggingface.h"
#include "kiln/nn/init.h"
#include "kiln/run/model_loader.h"

#include <gtest/gtest.h>

#include "support/error_parts.h"
#include "support/log_capture.h"
#include "support/tiny_run.h"
#include "text/byte_tokenizer.h"
#include "train/training_parts.h"

namespace kiln {
namespace {

using testing::LogCapture;
using testing::Scratch;

/// A base in a folder, and the config of a run that begins with it.
struct Start {
  explicit Start(HeadKind base_head = HeadKind::next_token)
      : config(testing::tiny_config(scratch)), base(with_head(config.model, base_head), kByteCount), held(base.layout) {
    initialise(base.config(), 99, held);
    const std::filesystem::path folder = scratch.path("base");
    std::filesystem::create_directories(folder);
    write_huggingface_folder(folder, base.config(), kByteCount, held,
                             tokenizer_files(ByteTokenizer({}), base.config(), {}));
    config.init_from = folder.string();
    config.tokenizer.path = folder.string();
    config.tokenizer.vocab_size = kByteCount;
    config.model.head = HeadKind::score;
    config.train.eval_every = 0;
  }

  static ModelConfig with_head(ModelConfig model, HeadKind head) {
    model.head = head;
    return model;
  }

  std::unique_ptr<TrainingParts> prepare() const { return kiln::prepare(config, scratch.path("cache"), std::nullopt); }

  /// Returns the head that a run without a base would begin with.
  ParameterBuffer<float> initial(const ParameterLayout& layout) const {
    ParameterBuffer<float> weights(layout);
    initialise(config.model, config.seed, weights);
    return weights;
  }

  Scratch scratch;
  Config config;
  LanguageModel<float> base;
  ParameterBuffer<float> held;
  LogCapture log;
};

void expect_from(const ParameterBuffer<float>& source, const Parameter& p, ConstMat<float> found) {
  EXPECT_TRUE(found == source.mat(source.layout().find(p.key))) << p.name;
  EXPECT_GT(found.norm(), 0) << p.name;
}

TEST(RewardStart, TheTrunkIsTheBasesAndTheHeadIsDrawn) {
  const Start start;
  const auto parts = start.prepare();
  const ParameterBuffer<float> initial = start.initial(parts->model->layout);
  const ParameterBuffer<float>& weights = parts->weights->masters();
  for (const Parameter& p : weights.layout().parameters()) {
    if (p.role == Role::bias) continue;  // zero in both
    expect_from(p.role == Role::score ? initial : start.held, p, weights.mat(p.id));
  }
}

TEST(RewardStart, TheHeadTrainsBesideAdapters) {
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    Start start;
    start.config.model.lora.rank = 2;
    start.config.train.precision = precision;
    const auto parts = start.prepare();
    const ParameterBuffer<float> initial = start.initial(parts->model->layout);
    const ParameterBuffer<float>& masters = parts->weights->masters();
    Index saved = 0;
    for (const Parameter& p : parts->saved.parameters()) {
      EXPECT_TRUE(is_adapter(p) || p.name == "score.weight") << p.name;
      if (p.key.tensor != TensorKind::lora_b) expect_from(initial, p, masters.mat(p.id));
      saved += p.role == Role::score ? 1 : 0;
    }
    EXPECT_EQ(saved, 1);
    if (precision == Precision::fp32) continue;
    const ParameterBuffer<bfloat16>& rounded = parts->weights->rounded();
    for (const Parameter& p : rounded.layout().parameters()) {
      if (is_adapter(p)) continue;
      const ParameterBuffer<float>& from = p.role == Role::score ? initial : start.held;
      EXPECT_TRUE(rounded.mat(p.id) == from.mat(from.layout().find(p.key)).cast<bfloat16>()) << p.name;
    }
  }
}

TEST(RewardStart, ARewardModelGivesItsHeadToo) {
  for (const bool adapts : {false, true}) {
    Start start(HeadKind::score);
    if (adapts) start.config.model.lora.rank = 2;
    start.config.train.precision = Precision::bf16;
    const auto parts = start.prepare();
    const ParameterBuffer<bfloat16>& rounded = parts->weights->rounded();
    const ParameterId id = rounded.layout().find({Module::score});
    EXPECT_TRUE(rounded.mat(id) == start.held.mat(start.base.layout.find({Module::score})).cast<bfloat16>());
    EXPECT_TRUE(parts->weights->masters().mat(id).cast<bfloat16>() == rounded.mat(id));
  }
}

TEST(RewardStart, ALanguageModelCannotBeginWithARewardModel) {
  Start start(HeadKind::score);
  start.config.model.head = HeadKind::next_token;
  testing::expect_error_with(ExitCode::usage, {"base: is a reward model, which cannot predict tokens"},
                             [&] { start.prepare(); });
}

}  // namespace
}  // namespace kiln
