// Answers a request to look into a model, piece by piece on the computing thread.
#pragma once

#include "kiln/core/json.h"
#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"

#include "serve/checkpoint_shelf.h"
#include "serve/inspection_request.h"
#include "serve/piecewise_work.h"
#include <memory>

namespace kiln {

/// What looks into models share: the weights of other checkpoints, and the queue for the computing thread.
struct Inside {
  explicit Inside(Engine& engine) : work(engine) {}

  CheckpointShelf shelf;
  PiecewiseWork work;
};

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
InspectedModel inspected_model(Engine& engine, Inside& inside, const std::string& name, const CheckpointChoice& choice);

/// Most numbers that one request may ask for: of probabilities in attention matrices, whose upper halves are not sent;
/// and of cells (layer, position) of the lens.
inline constexpr Index kMostAttention = Index{1} << 20;
inline constexpr Index kMostLensCells = Index{1} << 15;

/// Queues the work, which sends the reply. Throws ApiError: 400 for a text longer than the context, a layer or head
/// that the model does not have, and more numbers than the limits; 503 if too many wait.
void begin_inspection(Inside& inside, const InspectedModel& model, const InspectionRequest& request,
                      std::shared_ptr<HttpResponse> response);

/// Does the same for the map of the embeddings.
void begin_embedding_map(Inside& inside, const InspectedModel& model, const EmbeddingsRequest& request,
                         std::shared_ptr<HttpResponse> response);

}  // namespace kiln
