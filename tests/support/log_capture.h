// Captures what the library reports while a test runs, as text.
#pragma once

#include "kiln/core/report.h"

#include <memory>
#include <mutex>
#include <string>

namespace kiln::testing {

/// Takes the place of the reporter, and gives it back. One line a message: "warning: ...".
class LogCapture final : public Reporter {
 public:
  LogCapture() : before_(set_reporter(this)) {}
  ~LogCapture() override { set_reporter(before_); }

  void message(Severity severity, const std::string& text) override {
    const std::lock_guard lock(mutex_);
    text_ += (severity == Severity::warning ? "warning: " : "info: ") + text + "\n";
  }
  std::unique_ptr<Meter> meter(const std::string&, double, const std::string&) override { return nullptr; }

  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  Reporter* before_;
  mutable std::mutex mutex_;
  std::string text_;
};

}  // namespace kiln::testing
