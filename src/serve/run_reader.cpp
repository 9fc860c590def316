// Works off a queue until it is destroyed.
#include "serve/run_reader.h"

#include <utility>

namespace kiln {

RunReader::RunReader(const std::filesystem::path& folder) : runs_(folder), thread_([this] { run(); }) {}

RunReader::~RunReader() {
  std::deque<Work> dropped;  // destroyed without the lock: replies go out with it
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
    dropped.swap(posted_);
  }
  news_.notify_one();
  thread_.join();
}

void RunReader::post(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (!stops_) posted_.push_back(std::move(work));
  }
  news_.notify_one();
}

void RunReader::run() {
  for (;;) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      news_.wait(lock, [this] { return stops_ || !posted_.empty(); });
      if (stops_) return;
      work = std::move(posted_.front());
      posted_.pop_front();
    }
    work(runs_);
  }
}

}  // namespace kiln
