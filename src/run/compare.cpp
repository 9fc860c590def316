// Loads both models and compares them parameter by parameter.
#include "kiln/run/compare.h"

#include "kiln/core/format.h"
#include "kiln/run/model_loader.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

namespace kiln {
namespace {

/// Returns the run's config, or one with the model alone and all else by default.
Config config_of(const ModelSource& source, bool whole) {
  if (whole) return *source.config;
  Config config;
  config.model = source.model;
  return config;
}

std::string text_of(const Tokenizer* tokenizer) {
  return tokenizer == nullptr ? "none"
                              : fmt::format("{}, {}", tokenizer->type(), counted(tokenizer->vocab_size(), "entry"));
}

std::vector<TensorDifference> compare_weights(const LoadedModel& a, const LoadedModel& b) {
  std::vector<TensorDifference> differences;
  const auto add = [&](const std::string& name) {
    const ParameterId in_a = a.model->layout.find(name), in_b = b.model->layout.find(name);
    TensorDifference difference{.name = name, .shape_a = {}, .shape_b = {}};
    if (in_a) difference.shape_a = a.model->layout[in_a].shape();
    if (in_b) difference.shape_b = b.model->layout[in_b].shape();
    if (difference.is_comparable()) {
      const TensorDifference measured =
          compare_tensors(name, as_const(a.weights->masters().vec(in_a)), as_const(b.weights->masters().vec(in_b)));
      difference.is_equal = measured.is_equal;
      difference.max_abs = measured.max_abs;
      difference.rms = measured.rms;
      difference.relative_rms = measured.relative_rms;
    }
    differences.push_back(std::move(difference));
  };
  for (const Parameter& parameter : a.model->layout.parameters()) add(parameter.name);
  for (const Parameter& parameter : b.model->layout.parameters()) {
    if (!a.model->layout.find(parameter.name)) add(parameter.name);
  }
  return differences;
}

}  // namespace

TensorDifference compare_tensors(const std::string& name, ConstVec<float> a, ConstVec<float> b) {
  TensorDifference result{.name = name, .shape_a = {a.size()}, .shape_b = {b.size()}};
  result.is_equal = std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0;
  if (result.is_equal) return result;
  double squares = 0, squares_of_a = 0;
  bool is_finite = true;
  for (Index i = 0; i < a.size(); ++i) {
    const double before = a[i], difference = a[i] == b[i] ? 0.0 : static_cast<double>(b[i]) - before;
    result.max_abs = std::max(result.max_abs, std::fabs(difference));
    is_finite = is_finite && std::isfinite(difference);
    squares += difference * difference;
    squares_of_a += before * before;
  }
  const auto count = static_cast<double>(a.size());
  result.rms = std::sqrt(squares / count);
  result.relative_rms = squares == 0 ? 0.0 : std::sqrt(squares / squares_of_a);
  if (!is_finite) result.max_abs = result.rms = result.relative_rms = std::numeric_limits<double>::quiet_NaN();
  return result;
}

bool CheckpointComparison::is_equal() const { return config.empty() && same_tokenizer && has_equal_weights(); }

bool CheckpointComparison::has_equal_weights() const {
  return std::ranges::all_of(tensors, &TensorDifference::is_equal);
}

CheckpointComparison compare(const ModelSource& a, const ModelSource& b) {
  const bool whole = a.config && b.config;
  CheckpointComparison comparison;
  comparison.config = diff(config_of(a, whole), config_of(b, whole));
  const std::unique_ptr<Tokenizer> tokenizer_a = own_tokenizer(a), tokenizer_b = own_tokenizer(b);
  comparison.tokenizer_a = text_of(tokenizer_a.get());
  comparison.tokenizer_b = text_of(tokenizer_b.get());
  comparison.same_tokenizer =
      tokenizer_a && tokenizer_b ? tokenizer_a->to_json() == tokenizer_b->to_json() : tokenizer_a == tokenizer_b;
  comparison.tensors = compare_weights(load_weights(a), load_weights(b));
  return comparison;
}

}  // namespace kiln
