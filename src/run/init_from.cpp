// Checks the config first and reads the weights much later: cheap checks before what costs time or memory.
#include "kiln/run/init_from.h"

#include "kiln/core/error.h"
#include "kiln/core/fields.h"
#include "kiln/core/format.h"
#include "kiln/run/model_loader.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace kiln {
namespace {

/// Returns true if a key of `model` may differ from the inherited value; adds a problem if the new value is impossible.
bool may_differ(const std::string& key, const Json& wanted, const ModelConfig& inherited, Problems& problems) {
  if (key == "dropout") return true;
  if (key != "n_ctx") return false;
  const bool too_long = inherited.position == PositionKind::learned && wanted.is_number() && wanted > inherited.n_ctx;
  if (too_long) {
    problems.add("/model/n_ctx", "{} is more than the {} that init_from has learned", brief_json(wanted),
                 counted(inherited.n_ctx, "position"));
  }
  return true;
}

/// Merges the inherited architecture into the config's JSON, whose keys may differ as may_differ allows.
void merge_model(Json& document, const ModelConfig& inherited, Problems& problems) {
  Json model = to_json(inherited);
  const Json wanted = document.value("model", Json::object());
  if (wanted.is_object()) {
    for (const auto& [key, value] : wanted.items()) {
      const bool is_same = model.contains(key) && (value.is_null() || value == model[key]);
      if (is_same) continue;
      if (model.contains(key) && !may_differ(key, value, inherited, problems)) {
        problems.add("/model/" + key, "{}, but init_from has {}; leave the key out", brief_json(value),
                     brief_json(model[key]));
      }
      model[key] = value;
    }
    document["model"] = std::move(model);
  }
}

}  // namespace

void inherit_model(Json& document, const std::filesystem::path& init_from, Problems& problems) {
  const ModelSource source = open_model(init_from, std::nullopt, Verify::no);
  merge_model(document, source.model, problems);
  if (document.contains("tokenizer")) return;
  if (source.has_ids_alone()) {
    document["tokenizer"] = {{"type", "none"}, {"vocab_size", source.vocab_size}};
  } else {
    document["tokenizer"] = {{"path", std::filesystem::absolute(source.text_folder()).lexically_normal().string()},
                             {"vocab_size", source.vocab_size}};
  }
}

void inherit_from_run(Json& document, const std::filesystem::path& run_config, Problems& problems) {
  const Config config = read_resolved_config(run_config);
  merge_model(document, config.model, problems);
  if (!document.contains("tokenizer")) document["tokenizer"] = to_json(config.tokenizer);
}

template <class T>
void inherit_weights(const ModelSource& source, Index known_tokens, ParameterBuffer<T>& weights) {
  read_weights(source, weights);
  check_finite_weights(weights, source.folder.string());
  if (known_tokens == 0) return;
  for (const Module module : {Module::wte, Module::lm_head}) {
    const ParameterLayout& layout = weights.layout();
    const ParameterId id = layout.find({module}), new_rows = layout.find({module, kNoLayer, TensorKind::new_rows});
    if (!id) continue;  // the unembedding is the embedding
    Mat<T> rows = weights.mat(id);
    const Eigen::Matrix<T, 1, Eigen::Dynamic> mean =
        rows.topRows(known_tokens).template cast<float>().colwise().mean().template cast<T>();
    rows.bottomRows(rows.rows() - known_tokens).rowwise() = mean;
    if (new_rows) weights.mat(new_rows).rowwise() = mean;
  }
}

template void inherit_weights<float>(const ModelSource&, Index, ParameterBuffer<float>&);
template void inherit_weights<bfloat16>(const ModelSource&, Index, ParameterBuffer<bfloat16>&);

}  // namespace kiln
