// Logits, loss and every gradient of whole models against PyTorch's (tests/reference).
#include "kiln/core/error.h"
#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/nn/language_model.h"
#include "kiln/tensor/safetensors.h"
#include "support/gradient.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace kiln {
namespace {

const std::filesystem::path kFixtures = std::filesystem::path(KILN_SOURCE_DIR) / "tests/reference/fixtures";

/// ||a - b|| / max(||b||, floor): the floor speaks where the true tensor is zero (a key bias without rope).
template <class T>
double distance(const T* found, const std::vector<double>& expected, double floor) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(found[i]) - expected[i], 2);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), floor);
}

std::vector<std::int32_t> read_tokens(const SafetensorsFile& file, const char* name) {
  const std::vector<Index> wide = file.read<Index>(name);
  return {wide.begin(), wide.end()};
}

/// One reference model in type T: a forward and a backward, compared within `tolerance`.
template <class T>
void expect_agreement(const std::string& name, double tolerance) {
  SCOPED_TRACE(name);
  const Json description = parse_json(read_file(kFixtures / (name + ".json")), name);
  ModelConfig config;
  Problems problems;
  from_json(description.at("model"), config, problems, "/model");
  problems.throw_if_any(name);
  config.resolve();
  const SafetensorsFile file(kFixtures / (name + ".safetensors"));
  LanguageModel<T> model(config, description.at("vocab_size").get<Index>());

  ParameterBuffer<T> weights(model.layout);
  ParameterBuffer<Acc<T>> gradients(model.layout);
  for (std::size_t i = 0; i < model.layout.parameters().size(); ++i) {
    const ParameterId id{static_cast<int>(i)};
    const TensorInfo* tensor = file.find(model.layout[id].name);
    ASSERT_NE(tensor, nullptr) << model.layout[id].name;
    file.read<T>(*tensor, weights.mat(id));
  }
  const std::vector<std::int32_t> inputs = read_tokens(file, "input_ids"), targets = read_tokens(file, "targets");
  const Index B = file.find("input_ids")->shape[0], N = static_cast<Index>(inputs.size()), V = model.vocab_size();

  Arena arena(std::size_t{1} << 24);
  GptActivations<T> activations = model.trunk.lay_out(arena, B, N / B, Keep::all);
  HeadScratch<T> scratch = model.head.lay_out(arena, N);
  testing::Tensor<Acc<T>> logits(N, V), losses(1, N), position_weights(1, N, Acc<T>(1) / static_cast<Acc<T>>(N));
  model.trunk.forward(weights, inputs, StepContext{}, activations);
  model.head.logits(weights, as_const(activations.hidden), logits.m());
  EXPECT_LT(distance(logits.data.data(), file.read<double>("logits"), 1e-6), tolerance);

  model.head.forward_backward(weights, as_const(activations.hidden), targets, position_weights.cv(), scratch,
                              losses.v(), activations.d_hidden, gradients);
  model.trunk.backward(weights, inputs, StepContext{}, activations, gradients);
  EXPECT_NEAR(static_cast<double>(losses.data.mean()), file.read<double>("loss")[0], tolerance);
  for (std::size_t i = 0; i < model.layout.parameters().size(); ++i) {
    const ParameterId id{static_cast<int>(i)};
    const std::string& parameter = model.layout[id].name;
    constexpr double kFloor = 1e-2;  // a tensor of gradients this small is compared absolutely
    EXPECT_LT(distance(gradients.vec(id).data(), file.read<double>("grad." + parameter), kFloor), tolerance)
        << parameter;
  }
}

TEST(Reference, FloatAgreesWithPyTorchInLogitsLossAndEveryGradient) {
  for (const char* name : {"gpt2", "llama", "modern", "alibi"}) expect_agreement<float>(name, 1e-5);
}

TEST(Reference, DoubleAgreesWithPyTorchToTheFixturesLastBit) {
  for (const char* name : {"gpt2", "llama", "modern", "alibi"}) expect_agreement<double>(name, 2e-7);
}

TEST(Reference, Bfloat16StaysWithinItsEightBits) {
  // Each of some ten roundings on the way to a gradient is off by at most 2^-9 relative; they add like a random walk.
  for (const char* name : {"gpt2", "llama", "modern", "alibi"}) expect_agreement<bfloat16>(name, 0.05);
}

}  // namespace
}  // namespace kiln
