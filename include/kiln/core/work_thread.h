// Does work on a thread of its own, so that what takes long or waits for a disk holds up no other request.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace kiln {

/// A thread that does one piece of work after the other.
class WorkThread {
 public:
  using Work = std::function<void()>;

  WorkThread() : thread_([this] { run(); }) {}
  /// Waits for the work in progress; what waits is dropped.
  ~WorkThread();
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  /// Does `work`, which must not throw, after all that came before. May be called from any thread.
  void post(Work work);

 private:
  void run();

  std::mutex mutex_;  // of what follows
  std::condition_variable news_;
  std::deque<Work> posted_;
  bool stops_ = false;
  std::thread thread_;
};

}  // namespace kiln
