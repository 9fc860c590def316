// Finds the weights that a client looks into: those that are served, or another state of their run's training.
#pragma once

#include "kiln/core/json.h"
#include "kiln/serve/engine.h"

#include "serve/checkpoint_shelf.h"
#include <memory>
#include <string>

namespace kiln {

/// A model to look into: a served one, with its own weights or those of another checkpoint.
struct InspectedModel {
  Engine::Model served;
  std::shared_ptr<const ShelvedModel> shelved;  // null: the served weights
  CheckpointChoice choice;

  ModelView view() const { return shelved ? shelved->view() : served->view(); }

  /// Returns {"model", "checkpoint"}: the step, "untrained", or null for a model without steps.
  Json description() const;
};

/// Finds a model and the checkpoint of it. Throws ApiError (404), and Error as CheckpointShelf::model does.
InspectedModel inspected_model(Engine& engine, CheckpointShelf& shelf, const std::string& name,
                               const CheckpointChoice& choice);

}  // namespace kiln
