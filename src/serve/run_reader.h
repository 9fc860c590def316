// Reads runs on a thread of its own, so that a large file holds up no other request.
#pragma once

#include "serve/run_catalog.h"
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <thread>

namespace kiln {

/// The runs of a folder, and the thread that alone uses them.
class RunReader {
 public:
  using Work = std::function<void(RunCatalog& runs)>;

  explicit RunReader(const std::filesystem::path& folder);
  /// Waits for the work in progress; what waits is dropped.
  ~RunReader();
  RunReader(const RunReader&) = delete;
  RunReader& operator=(const RunReader&) = delete;

  /// Does `work`, which must not throw, after all that came before. May be called from any thread.
  void post(Work work);

 private:
  void run();

  RunCatalog runs_;
  std::mutex mutex_;  // of what follows
  std::condition_variable news_;
  std::deque<Work> posted_;
  bool stops_ = false;
  std::thread thread_;
};

}  // namespace kiln
