// Reports facts, warnings and the progress of work to the program. The library itself prints nothing.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace kiln {

enum class Severity { info, warning };

/// Shows the progress of one piece of work. Its end is the meter's destruction.
class Meter {
 public:
  Meter() = default;
  virtual ~Meter() = default;
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  /// Shows the work done so far, between 0 and the total. Called often, from any thread.
  virtual void show(double done) = 0;
};

/// Receives the library's reports, from any thread.
class Reporter {
 public:
  Reporter() = default;
  virtual ~Reporter() = default;
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  virtual void message(Severity severity, const std::string& text) = 0;

  /// Returns a meter for work of this size; null to show nothing. `unit` is what `total` counts: "bytes", or a plural
  /// noun; empty if only the share matters.
  virtual std::unique_ptr<Meter> meter(const std::string& what, double total, const std::string& unit) = 0;
};

/// Sets the process's reporter; returns the previous one. Null, the default, drops all reports. The reporter must
/// outlive all work that reports.
Reporter* set_reporter(Reporter* reporter);

/// Sends a message to the reporter; so do the next two.
void report(Severity severity, const std::string& text);
template <class... Args>
void inform(fmt::format_string<Args...> format, Args&&... args) {
  report(Severity::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  report(Severity::warning, fmt::format(format, std::forward<Args>(args)...));
}

/// Reports the progress of work of a known size, for as long as the object lives.
class Work {
 public:
  Work(const std::string& what, double total, const std::string& unit);
  ~Work();
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  /// Adds to the work done. Thread-safe.
  void add(double done);

  /// Sets the share of the total that is done.
  void set_share(double share);

  /// Adds to the newest Work of the process, if there is one: for code that has no access to the object. Thread-safe.
  /// A thread that is to advance none of the others' work is detached.
  static void advance(std::int64_t done);

  /// Makes advance() ignore the calling thread from here on: for background work.
  static void detach_this_thread();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kiln
