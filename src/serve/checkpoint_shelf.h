// Keeps the weights of a run's other checkpoints at hand, to compare them with those that are served.
#pragma once

#include "kiln/nn/model_weights.h"
#include "kiln/run/checkpoint_store.h"
#include "kiln/serve/served_model.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// Which weights of a served model's run are meant.
struct CheckpointChoice {
  std::optional<std::int64_t> step = {};  // null: those that are served
  bool untrained = false;                 // random ones, as drawn before the first step
};

/// A model in some state of its training. Immutable.
struct ShelvedModel {
  std::string key = {};  // of the run and the state
  std::unique_ptr<LanguageModel<float>> model;
  std::unique_ptr<ModelWeights> weights;

  ModelView view() const { return {*model, *weights}; }
  std::size_t bytes() const;
};

/// The models that were asked for last, as far as memory allows. Any thread may use it; one loads at a time.
class CheckpointShelf {
 public:
  static constexpr std::size_t kMostModels = 8;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // except the last model, which is always kept

  /// Returns the model at `choice`, which names one, of the run that `served` is of. Untrained weights are drawn from
  /// the run's seed by its config, as training draws them unless it starts from another model. The precision is that of
  /// `served`. Throws ApiError (404) if the run has no such checkpoint; Error if it cannot be read.
  std::shared_ptr<const ShelvedModel> model(const ServedModel& served, const CheckpointChoice& choice);

 private:
  std::mutex mutex_;                                        // of what follows
  std::deque<std::shared_ptr<const ShelvedModel>> models_;  // the last one asked for in front
};

/// Lists the checkpoints of the run that a served model is of; none if it is no run's. Throws Error (io).
std::vector<SavedCheckpoint> checkpoints_of(const ServedModel& served);

}  // namespace kiln
