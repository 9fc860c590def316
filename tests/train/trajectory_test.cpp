// Twenty steps of every optimizer, with clipping, warm-up and cosine decay, against PyTorch's (tests/reference).
#include "kiln/optim/clip.h"
#include "kiln/optim/optimizer.h"
#include "kiln/optim/schedule.h"
#include "kiln/train/objective.h"

#include <gtest/gtest.h>

#include "support/reference.h"

namespace kiln {
namespace {

using testing::reference_json;
using testing::reference_path;
using testing::ReferenceModel;

OptimizerConfig optimizer_config(const Json& run) {
  const Json& settings = run.at("settings");
  OptimizerConfig config;
  const auto kind = std::ranges::find(kOptimizerKinds, run.at("optimizer").get<std::string>());
  config.type = static_cast<OptimizerKind>(kind - kOptimizerKinds.begin());
  config.weight_decay = settings.at("weight_decay");
  config.clip_norm = 1.0;
  const bool is_muon = config.type == OptimizerKind::muon;
  const Json& adam = is_muon ? settings.at("auxiliary") : settings;
  config.learning_rate = adam.at("learning_rate");
  if (adam.contains("betas")) {
    config.beta1 = adam.at("betas").at(0);
    config.beta2 = adam.at("betas").at(1);
  }
  if (is_muon) {
    config.muon_learning_rate = settings.at("learning_rate");
    config.muon_momentum = settings.at("momentum");
  } else if (settings.contains("momentum")) {
    config.momentum = settings.at("momentum");
    config.nesterov = settings.at("nesterov");
  }
  return config;
}

/// The gradient of a key bias is exactly zero without rope and qk_norm (softmax cancels it), and what rounding makes of
/// it adaptive optimizers blow up to steps of the learning rate: these elements, which no loss depends on, are left
/// out.
std::vector<bool> compared_elements(const ModelConfig& config, const Parameter& p) {
  std::vector<bool> compared(static_cast<std::size_t>(p.size()), true);
  if (config.position == PositionKind::rope || !p.name.ends_with("c_attn.bias")) return compared;
  const auto begin = compared.begin() + config.n_heads * config.head_size();
  std::fill(begin, begin + config.kv_heads() * config.head_size(), false);
  return compared;
}

class Trajectory : public ::testing::TestWithParam<std::string> {};

TEST_P(Trajectory, AgreesWithPyTorch) {
  const Json fixture = reference_json("trajectories");
  const Json& run = fixture.at("runs").at(GetParam());
  const SafetensorsFile file(reference_path("trajectories.safetensors"));
  const auto inputs = testing::read_tokens(file, "input_ids"), targets = testing::read_tokens(file, "targets");
  ReferenceModel<float> reference(run.at("model").get<std::string>());
  const ModelConfig& config = reference.model.config();

  const Index steps = fixture.at("steps"), B = fixture.at("batch_size"), T = fixture.at("sequence_length");
  const ScheduleConfig schedule{.type = ScheduleKind::cosine, .warmup_steps = fixture.at("warmup_steps").get<Index>()};
  const OptimizerConfig settings = optimizer_config(run);
  const auto optimizer = make_optimizer(settings, reference.model.layout);
  NextTokenObjective objective(reference.model);
  ParameterBuffer<float> gradients(reference.model.layout);
  Arena arena(std::size_t{1} << 22);
  GptActivations<float> activations = reference.model.trunk.lay_out(arena, B, T, Keep::all);
  objective.lay_out(arena, B, T);

  for (Index step = 0; step < steps; ++step) {
    Batch batch{.B = B, .T = T, .inputs = {}, .targets = {}};
    batch.inputs.assign(inputs.begin() + step * B * T, inputs.begin() + (step + 1) * B * T);
    batch.targets.assign(targets.begin() + step * B * T, targets.begin() + (step + 1) * B * T);
    gradients.all().setZero();
    reference.model.trunk.forward(reference.weights, batch.inputs, StepContext{}, activations);
    const double loss = objective.forward_backward(reference.weights, batch, 1.0 / static_cast<double>(B * T),
                                                   as_const(activations.hidden), activations.d_hidden, gradients);
    reference.model.trunk.backward(reference.weights, batch.inputs, StepContext{}, activations, gradients);
    const double norm = global_norm(gradients), multiplier = schedule_multiplier(schedule, step, steps);
    const auto at = static_cast<std::size_t>(step);
    EXPECT_NEAR(loss, run.at("loss").at(at).get<double>(), 1e-5) << "step " << step;
    EXPECT_NEAR(norm, run.at("grad_norm").at(at).get<double>(), 3e-5) << "step " << step;
    EXPECT_NEAR(multiplier, run.at("lr_multiplier").at(at).get<double>(), 1e-12) << "step " << step;
    optimizer->step(
        reference.weights, gradients,
        {.learning_rate_multiplier = multiplier, .gradient_scale = clip_scale(norm, settings.clip_norm), .step = step});
  }
  for (std::size_t i = 0; i < reference.model.layout.parameters().size(); ++i) {
    const ParameterId id{static_cast<int>(i)};
    const Parameter& p = reference.model.layout[id];
    const auto expected = file.read<double>("final." + GetParam() + "." + p.name);
    const std::vector<bool> compared = compared_elements(config, p);
    double worst = 0;
    for (std::size_t e = 0; e < expected.size(); ++e) {
      if (!compared[e]) continue;
      worst = std::max(worst,
                       std::abs(static_cast<double>(reference.weights.vec(id)[static_cast<Index>(e)]) - expected[e]));
    }
    EXPECT_LT(worst, 3e-5) << p.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Optimizers, Trajectory,
                         ::testing::Values("sgd", "sgd_nesterov", "adam", "adamw", "lion", "muon", "muon_llama"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace kiln
