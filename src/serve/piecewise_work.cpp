// Posts the next piece when one is done, so that the engine takes a step between any two.
#include "serve/piecewise_work.h"

#include "kiln/core/report.h"

#include "serve/api_error.h"
#include <mutex>
#include <utility>

namespace kiln {

struct PiecewiseWork::Queue {
  Engine& engine;
  std::mutex mutex = {};  // of what follows
  std::deque<Piece> works = {};
};

PiecewiseWork::PiecewiseWork(Engine& engine) : queue_(new Queue{.engine = engine}) {}

void PiecewiseWork::add(Piece piece) {
  const std::lock_guard lock(queue_->mutex);
  if (queue_->works.size() >= kMostWaiting) throw ApiError(503, "too many requests of this kind wait; try again later");
  queue_->works.push_back(std::move(piece));
  if (queue_->works.size() == 1) queue_->engine.post([queue = queue_] { do_piece(queue); });
}

void PiecewiseWork::do_piece(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock(queue->mutex);
  Piece& piece = queue->works.front();  // stays where it is when others are added
  lock.unlock();
  bool goes_on = false;
  try {
    goes_on = piece();
  } catch (const std::exception& error) {
    warn("{}", error.what());
  }
  lock.lock();
  Piece done;
  if (!goes_on) {
    done = std::move(queue->works.front());
    queue->works.pop_front();
  }
  if (!queue->works.empty()) queue->engine.post([queue] { do_piece(queue); });
}

RequestPieces::RequestPieces(HttpResponse& response) : gone_(std::make_shared<std::atomic<bool>>(false)) {
  response.on_gone([gone = gone_] { *gone = true; });
}

bool RequestPieces::do_next() {
  if (!has_client()) return false;
  const std::function<void()> piece = std::move(pieces_.front());
  pieces_.pop_front();
  piece();
  return !pieces_.empty();
}

}  // namespace kiln
