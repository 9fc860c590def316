// Runs long work on the computing thread in pieces, so that the requests of others go on in between.
#pragma once

#include "kiln/serve/engine.h"
#include "kiln/serve/http_server.h"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace kiln {

/// Works that wait for the computing thread: one runs at a time, in the order of their coming. Any thread may add one.
class PiecewiseWork {
 public:
  static constexpr std::size_t kMostWaiting = 16;

  /// Does a piece; returns whether there is more to do.
  using Piece = std::function<bool()>;

  /// The engine must outlive every piece.
  explicit PiecewiseWork(Engine& engine);

  /// Has `piece` called on the computing thread, between two steps, until it returns false. An exception ends the work
  /// and is reported as a warning. Throws ApiError: 503 if kMostWaiting works are not done yet.
  void add(Piece piece);

 private:
  struct Queue;

  static void do_piece(const std::shared_ptr<Queue>& queue);

  std::shared_ptr<Queue> queue_;  // also of the posted piece, which may outlive this object
};

/// The pieces of one request's work, which may plan further ones. None is done once the client has gone.
class RequestPieces {
 public:
  explicit RequestPieces(HttpResponse& response);

  void add(std::function<void()> piece) { pieces_.push_back(std::move(piece)); }

  /// Does the next piece; returns whether there is another. Throws what the piece throws.
  bool do_next();

  bool has_client() const { return !*gone_; }

 private:
  std::shared_ptr<std::atomic<bool>> gone_;  // also of the response, which may outlive this object
  std::deque<std::function<void()>> pieces_;
};

}  // namespace kiln
