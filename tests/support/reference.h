// The models of tests/reference: PyTorch's numbers, and kiln's model with the same weights.
#pragma once

#include "kiln/core/file.h"
#include "kiln/core/json.h"
#include "kiln/nn/language_model.h"
#include "kiln/tensor/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace kiln::testing {

inline std::filesystem::path reference_path(const std::string& file) {
  return std::filesystem::path(KILN_SOURCE_DIR) / "tests/reference/fixtures" / file;
}

inline Json reference_json(const std::string& name) {
  return parse_json(read_file(reference_path(name + ".json")), name);
}

inline ModelConfig reference_config(const Json& description) {
  ModelConfig config;
  Problems problems;
  from_json(description.at("model"), config, problems, "/model");
  problems.throw_if_any("reference");
  config.resolve();
  return config;
}

inline std::vector<std::int32_t> read_tokens(const SafetensorsFile& file, const char* name) {
  const std::vector<Index> wide = file.read<Index>(name);
  return {wide.begin(), wide.end()};
}

/// ||found - expected|| / max(||expected||, floor): the floor speaks where the true tensor is zero.
template <class T>
double distance(const T* found, const std::vector<double>& expected, double floor) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(found[i]) - expected[i], 2);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), floor);
}

/// A model of that name with the fixture's weights.
template <class T>
struct ReferenceModel {
  explicit ReferenceModel(const std::string& name)
      : description(reference_json(name)),
        file(reference_path(name + ".safetensors")),
        model(reference_config(description), description.at("vocab_size").get<Index>()),
        weights(model.layout) {
    for (const Parameter& p : model.layout.parameters()) {
      const TensorInfo* tensor = file.find(p.name);
      if (tensor == nullptr) throw std::runtime_error("no such tensor: " + p.name);
      file.read<T>(*tensor, weights.mat(p.id));
    }
  }

  Json description;
  SafetensorsFile file;
  LanguageModel<T> model;
  ParameterBuffer<T> weights;
};

}  // namespace kiln::testing
