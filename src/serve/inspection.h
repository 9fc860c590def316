// Answers a request to look into a model, piece by piece on the computing thread.
#pragma once

#include "kiln/core/json.h"
#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"

#include "serve/checkpoint_shelf.h"
#include "serve/inspected_model.h"
#include "serve/inspection_request.h"
#include "serve/piecewise_work.h"
#include "serve/step_sessions.h"
#include <memory>

namespace kiln {

/// What looks into models share: the weights of other checkpoints, and the queues for the computing thread.
struct Inside {
  explicit Inside(Engine& engine) : work(engine), long_work(engine), steps(work) {}

  CheckpointShelf shelf;
  PiecewiseWork work;
  PiecewiseWork long_work;  // of seconds and more, which the short must not wait for
  StepSessions steps;
};

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
