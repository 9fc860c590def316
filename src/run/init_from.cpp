// Checks the config first and reads the weights much later: cheap checks before what costs time or memory.
#include "kiln/run/init_from.h"

#include "kiln/core/error.h"
#include "kiln/core/fields.h"
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
    problems.add("/model/n_ctx", "{} is more than the {} positions that init_from has learned", brief_json(wanted),
                 inherited.n_ctx);
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
  if (source.is_file()) {
    document["tokenizer"] = {{"type", "none"}, {"vocab_size", source.vocab_size}};
  } else {
    document["tokenizer"] = {{"path", std::filesystem::absolute(source.folder).lexically_normal().string()},
                             {"vocab_size", source.vocab_size}};
  }
}

void inherit_from_run(Json& document, const std::filesystem::path& run_config, Problems& problems) {
  const Config config = read_resolved_config(run_config);
  merge_model(document, config.model, problems);
  if (!document.contains("tokenizer")) document["tokenizer"] = to_json(config.tokenizer);
}

void inherit_weights(ModelSource source, Index known_tokens, ParameterBuffer<float>& weights) {
  const LoadedModel loaded = load_weights(std::move(source));
  for (const Parameter& p : weights.layout().parameters()) {
    Mat<float> to = weights.mat(p.id);
    const ConstMat<float> from = as_const(loaded.weights->mat(loaded.model->layout.find(p.name)));
    const Index rows = std::min(to.rows(), from.rows());  // there may be fewer positions, or more tokens
    to.topRows(rows) = from.topRows(rows);
    const bool is_of_tokens = p.role == Role::token_embedding || p.role == Role::unembedding;
    if (known_tokens == 0 || !is_of_tokens) continue;
    to.bottomRows(to.rows() - known_tokens).rowwise() = from.topRows(known_tokens).colwise().mean();
  }
}

}  // namespace kiln
