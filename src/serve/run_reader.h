// Reads runs on a thread of its own.
#pragma once

#include "kiln/core/work_thread.h"

#include "serve/run_catalog.h"
#include <filesystem>
#include <functional>
#include <utility>

namespace kiln {

/// The runs of a folder, and the thread that alone uses them.
class RunReader {
 public:
  explicit RunReader(const std::filesystem::path& folder) : runs_(folder) {}

  /// Does `work`, which must not throw, after all that came before. May be called from any thread.
  void post(std::function<void(RunCatalog& runs)> work) {
    thread_.post([this, work = std::move(work)] { work(runs_); });
  }

 private:
  RunCatalog runs_;
  WorkThread thread_;  // last: it ends before the runs do
};

}  // namespace kiln
