// Works off a queue until it is destroyed.
#include "kiln/core/work_thread.h"

#include <utility>

namespace kiln {

WorkThread::~WorkThread() {
  std::deque<Work> dropped;  // destroyed without the lock: replies go out with it
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
    dropped.swap(posted_);
  }
  news_.notify_one();
  thread_.join();
}

void WorkThread::post(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (!stops_) posted_.push_back(std::move(work));
  }
  news_.notify_one();
}

void WorkThread::run() {
  for (;;) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [this] { return stops_ || !posted_.empty(); });
      if (stops_) return;
      work = std::move(posted_.front());
      posted_.pop_front();
    }
    work();
  }
}

}  // namespace kiln
