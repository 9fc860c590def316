// Sends the loss of a text over a plane through the weights, point by point.
#pragma once

#include "kiln/serve/http_server.h"

#include "serve/inspected_model.h"
#include "serve/inspection_request.h"
#include "serve/piecewise_work.h"
#include <cstddef>
#include <memory>

namespace kiln {

inline constexpr std::size_t kMostValleyBytes = std::size_t{1} << 30;  // of all weights that one valley needs
inline constexpr Index kMostPathStops = 16;                            // checkpoints on the path, evenly spaced
inline constexpr Index kLeastPathStops = 3;                            // of a plane along the run

/// Queues the work, which sends a stream of events: first the plane and the run's path in it, then the loss at each
/// point, from the middle outwards. Ends when the client goes. Throws ApiError: 400 for a text that is too long or has
/// one token alone, for a model that is too large, and for a plane along a run with too few checkpoints; 404 if there
/// is no held-out text; 503 if too many wait.
void begin_valley(PiecewiseWork& work, const InspectedModel& model, const ValleyRequest& request,
                  std::shared_ptr<HttpResponse> response);

}  // namespace kiln
