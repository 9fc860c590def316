// Twenty steps of whole models under each optimizer, with clipping and a schedule, against PyTorch (tests/reference).
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/nn/language_model.h"
#include "kiln/nn/runner.h"
#include "kiln/optim/clip.h"
#include "kiln/optim/optimizer.h"
#include "kiln/optim/schedule.h"
#include "kiln/tensor/safetensors.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/sequences.h"
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace kiln {
namespace {

const std::filesystem::path kFixtures = std::filesystem::path(KILN_SOURCE_DIR) / "tests/reference/fixtures";

// In float32 PyTorch itself strays from float64 by 7e-7 (losses), 3e-6 (norms) and 3e-6 (weights): tests/reference.
constexpr double kLossTolerance = 1e-5, kNormTolerance = 3e-5, kWeightTolerance = 1e-5;

Json read_json(const std::string& name) { return parse_json(read_file(kFixtures / name), name); }

OptimizerConfig optimizer_of(const Json& run) {
  const Json& settings = run.at("settings");
  const bool is_muon = run.at("optimizer") == "muon";
  const Json& elementwise = is_muon ? settings.at("auxiliary") : settings;
  OptimizerConfig config;
  const auto* const type = std::find(kOptimizerKinds.begin(), kOptimizerKinds.end(), run.at("optimizer"));
  config.type = static_cast<OptimizerKind>(type - kOptimizerKinds.begin());
  config.learning_rate = elementwise.at("learning_rate").get<double>();
  config.weight_decay = elementwise.at("weight_decay").get<double>();
  if (elementwise.contains("betas")) {
    config.beta1 = elementwise.at("betas")[0].get<double>();
    config.beta2 = elementwise.at("betas")[1].get<double>();
  }
  config.epsilon = elementwise.value("epsilon", config.epsilon);
  config.nesterov = settings.value("nesterov", false);
  config.muon_learning_rate = settings.at("learning_rate").get<double>();
  (is_muon ? config.muon_momentum : config.momentum) = settings.value("momentum", 0.0);
  return config;
}

/// One of the reference's models in float, with the weights of its fixture, and the means of computing gradients.
struct Model {
  static constexpr Index kBatch = 3, kLength = 9, kRows = kBatch * kLength;

  explicit Model(const std::string& name)
      : model(config_of(name), read_json(name + ".json").at("vocab_size").get<Index>()),
        weights(model.layout),
        gradients(model.layout),
        runner(make_runner<float>(model.config(), model.vocab_size(),
                                  {.rows = kRows, .scored = kRows, .backward = Recompute::none})) {
    const SafetensorsFile file(kFixtures / (name + ".safetensors"));
    for (const Parameter& p : layout().parameters()) file.read<float>(*file.find(p.name), weights.mat(p.id));
  }

  const ParameterLayout& layout() const { return model.layout; }

  /// Sets `gradients` to those of the mean loss over (B, T) tokens, and returns that loss.
  double differentiate(std::span<const std::int32_t> inputs, std::span<const std::int32_t> targets) {
    const std::vector<float> d_losses(kRows, 1.0f / kRows);
    std::vector<float> losses(kRows);
    const TokenRows rows = testing::equal_rows(inputs, kBatch);
    const std::vector<Index> scored = testing::all_rows(kRows);
    gradients.all().setZero();
    runner->forward(weights, rows);
    runner->backward({scored, targets}, ConstVec<float>(d_losses.data(), kRows), Vec<float>(losses.data(), kRows),
                     gradients);
    double sum = 0;
    for (const float loss : losses) sum += static_cast<double>(loss);
    return sum / kRows;
  }

  static ModelConfig config_of(const std::string& name) {
    ModelConfig config;
    Problems problems;
    from_json(read_json(name + ".json").at("model"), config, problems);
    problems.throw_if_any(name);
    config.resolve();
    return config;
  }

  LanguageModel<float> model;
  ParameterBuffer<float> weights;
  Gradients<float> gradients;
  std::unique_ptr<Runner<float>> runner;
};

/// Whether this is a key's bias: its gradient is 0 but for rounding, which Adam and Lion blow up (tests/reference).
bool is_key_bias(const ModelConfig& config, const Parameter& parameter, Index element) {
  const Index width = config.kv_heads() * config.head_size(), end = parameter.cols - width;
  return parameter.name.ends_with("attn.c_attn.bias") && element >= end - width && element < end;
}

std::vector<std::int32_t> read_tokens(const SafetensorsFile& file, const char* name) {
  const std::vector<Index> wide = file.read<Index>(name);
  return {wide.begin(), wide.end()};
}

class Trajectory : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(PyTorch, Trajectory,
                         ::testing::Values("sgd", "sgd_nesterov", "adam", "adamw", "lion", "muon", "muon_llama"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Trajectory, FollowsPyTorchForTwentySteps) {
  const Json description = read_json("trajectories.json");
  const Json& run = description.at("runs").at(GetParam());
  const SafetensorsFile file(kFixtures / "trajectories.safetensors");
  const std::vector<std::int32_t> inputs = read_tokens(file, "input_ids"), targets = read_tokens(file, "targets");
  const Index steps = description.at("steps").get<Index>();
  ScheduleConfig schedule;
  schedule.warmup_steps = description.at("warmup_steps").get<Index>();
  schedule.min_ratio = description.at("min_ratio").get<double>();

  Model model(run.at("model").get<std::string>());
  const auto optimizer = make_optimizer(optimizer_of(run), model.layout());
  for (Index step = 0; step < steps; ++step) {
    const auto i = static_cast<std::size_t>(step), first = i * Model::kRows;
    const double loss = model.differentiate(std::span(inputs).subspan(first, Model::kRows),
                                            std::span(targets).subspan(first, Model::kRows));
    const double norm = global_norm(model.gradients);
    const double multiplier = schedule_multiplier(schedule, step, static_cast<double>(steps));
    EXPECT_NEAR(loss, run.at("loss")[i].get<double>(), kLossTolerance) << "step " << step;
    EXPECT_NEAR(norm, run.at("grad_norm")[i].get<double>(), kNormTolerance) << "step " << step;
    EXPECT_NEAR(multiplier, run.at("lr_multiplier")[i].get<double>(), 1e-10) << "step " << step;
    const double scale = clip_scale(norm, description.at("clip_norm").get<double>());
    optimizer->step(model.weights, model.gradients, {multiplier, scale, step});
  }
  for (const Parameter& p : model.layout().parameters()) {
    const std::vector<double> expected = file.read<double>("final." + std::string(GetParam()) + "." + p.name);
    double worst = 0;
    for (Index i = 0; i < p.size(); ++i) {
      if (is_key_bias(model.model.config(), p, i)) continue;
      const double found = model.weights.data()[p.offset + i];
      worst = std::max(worst, std::abs(found - expected[static_cast<std::size_t>(i)]));
    }
    EXPECT_LT(worst, kWeightTolerance) << p.name;
  }
}

}  // namespace
}  // namespace kiln
