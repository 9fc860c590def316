// Loads weights alone: config and tokenizer are those of the model that is served.
#include "serve/checkpoint_shelf.h"

#include "kiln/core/file.h"
#include "kiln/core/hash.h"
#include "kiln/run/config.h"
#include "kiln/run/manifest.h"
#include "kiln/run/model_loader.h"

#include <fmt/ranges.h>

#include "serve/api_error.h"
#include <algorithm>
#include <numeric>
#include <utility>

namespace kiln {
namespace {

/// Returns the folder of a checkpoint of the run. Throws ApiError (404) if there is none of that step.
std::filesystem::path folder_of(const ServedModel& served, std::int64_t step) {
  const std::vector<SavedCheckpoint> saved = checkpoints_of(served);
  const auto found = std::ranges::find(saved, step, &SavedCheckpoint::step);
  if (found != saved.end()) return found->folder;
  std::vector<std::int64_t> steps;
  for (const SavedCheckpoint& checkpoint : saved) steps.push_back(checkpoint.step);
  throw ApiError(404,
                 steps.empty() ? fmt::format("{} has no checkpoints", served.name())
                               : fmt::format("{} has no checkpoint of step {}; its steps are {}", served.name(), step,
                                             fmt::join(steps, ", ")),
                 "checkpoint");
}

std::unique_ptr<ModelWeights> untrained_weights(const ServedModel& served, const ParameterLayout& layout) {
  const std::optional<Config>& config = served.loaded().source.config;
  auto weights = std::make_unique<ModelWeights>(layout, served.view().precision);
  weights->initialise(served.config(), config ? config->seed : Config().seed);
  return weights;
}

}  // namespace

std::size_t ShelvedModel::bytes() const {
  const std::size_t element = weights->precision() == Precision::bf16 ? sizeof(bfloat16) : sizeof(float);
  return static_cast<std::size_t>(model->layout.extent()) * element;
}

std::shared_ptr<const ShelvedModel> CheckpointShelf::model(const ServedModel& served, const CheckpointChoice& choice) {
  const std::filesystem::path folder = choice.untrained ? served.folder() : folder_of(served, *choice.step);
  const std::filesystem::path manifest = folder / kManifestFile;  // tells a checkpoint from one that replaced it
  std::string key = fmt::format("{} {} {}", choice.untrained ? "untrained" : "trained", folder.string(),
                                path_exists(manifest) ? hash_file(manifest) : 0);
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find(models_, key, [](const auto& model) { return model->key; });
  if (known != models_.end()) {
    std::rotate(models_.begin(), known, known + 1);
    return models_.front();
  }
  const auto made = std::make_shared<ShelvedModel>(ShelvedModel{.key = std::move(key), .model = {}, .weights = {}});
  if (choice.untrained) {
    made->model = std::make_unique<LanguageModel<float>>(served.config(), served.view().vocab_size);
    made->weights = untrained_weights(served, made->model->layout);
  } else {
    LoadedModel loaded = load_weights(open_model(folder), served.view().precision);
    made->model = std::move(loaded.model);
    made->weights = std::move(loaded.weights);
  }
  made->weights->keep_only_what_is_read();
  models_.push_front(made);
  const auto bytes = [&] {
    return std::accumulate(models_.begin(), models_.end(), std::size_t{0},
                           [](std::size_t sum, const auto& model) { return sum + model->bytes(); });
  };
  while (models_.size() > 1 && (models_.size() > kMostModels || bytes() > kMostBytes)) models_.pop_back();
  return made;
}

std::vector<SavedCheckpoint> checkpoints_of(const ServedModel& served) {
  if (!served.step()) return {};
  return list_checkpoints(served.folder().parent_path());
}

}  // namespace kiln
