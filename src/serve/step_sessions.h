// Holds the session in which a client takes steps of gradient descent on a copy of a model's weights.
#pragma once

#include "kiln/serve/http_server.h"

#include "serve/inspected_model.h"
#include "serve/inspection_request.h"
#include "serve/piecewise_work.h"
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>

namespace kiln {

/// The one session of a server: a new one ends the one before, and one that is not used for a while ends, so that its
/// memory is free. Functions may be called from any thread; steps are computed on the computing thread.
class StepSessions {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // weights, gradient, activations, earlier weights
  static constexpr std::chrono::minutes kIdle{10};

  explicit StepSessions(PiecewiseWork& work, std::chrono::milliseconds idle = kIdle);
  ~StepSessions();
  StepSessions(const StepSessions&) = delete;
  StepSessions& operator=(const StepSessions&) = delete;

  /// Begins a session, and queues the work that replies with its id and where it begins. Throws ApiError: 400 for a
  /// text without a target, too long for the model or the limit, or a model that is too large; 503 if too many wait.
  void begin(const InspectedModel& model, const StepRequest& request, std::shared_ptr<HttpResponse> response);

  /// Queues an action, which replies with where the session then is. Throws ApiError: 404 if the session has ended;
  /// 503.
  void act(const StepRequest& request, const std::shared_ptr<HttpResponse>& response);

  bool has_session() const;

 private:
  class Session;

  void queue(const std::shared_ptr<Session>& session, const StepRequest& request,
             std::shared_ptr<HttpResponse> response);
  void end_idle();

  PiecewiseWork& work_;
  const std::chrono::milliseconds idle_;
  mutable std::mutex mutex_;  // of what follows
  std::condition_variable news_;
  std::shared_ptr<Session> session_;  // null: none
  std::chrono::steady_clock::time_point used_;
  bool stops_ = false;
  std::thread thread_;  // ends idle sessions
};

}  // namespace kiln
