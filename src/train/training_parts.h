// Prepares everything that training needs: data, model, weights, optimizer, state.
#pragma once

#include "kiln/nn/language_model.h"
#include "kiln/nn/model_weights.h"
#include "kiln/run/checkpoint.h"
#include "kiln/run/run_directory.h"
#include "kiln/train/evaluate.h"
#include "kiln/train/train_step.h"
#include "kiln/train/training_length.h"
#include "kiln/train/training_run.h"

#include "train/training_data.h"
#include <filesystem>
#include <memory>
#include <optional>

namespace kiln {

struct TrainingParts {
  World* world = &World::alone();
  Config config;
  TrainingData data;
  std::unique_ptr<LanguageModel<float>> model;
  BaseModel base;         // of adapters
  ParameterLayout saved;  // the weights that checkpoints hold: all, or the adapters
  std::unique_ptr<ModelWeights> weights;
  std::unique_ptr<TrainStep> train_step;
  std::unique_ptr<LanguageModel<float>> reference_model;  // of policy gradients; null if beta is 0
  std::unique_ptr<ModelWeights> reference_weights;
  std::unique_ptr<Evaluator> evaluator;  // null if nothing is held out or evaluated
  TrainingLength training_length = TrainingLength::after_steps(0);
  TrainerState state;
  std::optional<std::filesystem::path> resumed_from;
  bool starts_at_reference = false;  // the initial weights are the reference's, and dropout is off

  bool has_stopped_early() const;
  bool is_finished() const {
    return !state.evaluation_pending && (training_length.is_reached() || has_stopped_early());
  }
};

/// Returns the state of a policy gradient besides weights and optimizer, as a checkpoint keeps it: the rollout at work,
/// the adapted beta, the value head. Empty for other objectives.
std::string rollout_state(const TrainingParts& parts);

/// Reads or creates all parts of a run, as TrainingRun's constructor describes; with a verified `checkpoint`, those
/// that resume it. Caches tokens in the folder `cache`.
std::unique_ptr<TrainingParts> prepare(Config config, const std::filesystem::path& cache,
                                       const std::optional<std::filesystem::path>& checkpoint,
                                       const ResumeOptions& options = {}, World& world = World::alone());

}  // namespace kiln
