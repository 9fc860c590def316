// Takes signals between two pieces of work, for a program that computes and talks with a person in turn.
#pragma once

#include <future>
#include <optional>
#include <thread>

namespace kiln::cli {

inline constexpr int kSignalExit = 128;  // a shell's code for "ended by signal n" is 128 + n

/// Keeps SIGINT, SIGTERM and SIGHUP pending until take(), so that no handler runs on the stack of a computing thread
/// (see train/stop_signals). On a terminal also SIGTSTP (Ctrl-Z) and SIGWINCH (a new size of the window). Signals that
/// were ignored when the program started stay ignored.
class PendingSignals {
 public:
  /// Must be called before any other thread starts: later threads inherit the mask. The signals stay blocked after the
  /// destructor too.
  explicit PendingSignals(bool on_terminal);
  ~PendingSignals();
  PendingSignals(const PendingSignals&) = delete;
  PendingSignals& operator=(const PendingSignals&) = delete;

  struct News {
    bool interrupted = false;  // SIGINT
    bool suspended = false;    // SIGTSTP
    bool resized = false;      // SIGWINCH
    std::optional<int> ended;  // SIGTERM or SIGHUP
  };

  /// Returns what has come since the last call.
  News take();

  /// Waits until stdin has something to read, or a signal has come.
  void wait_for_input() const;

  /// Stops the process as Ctrl-Z does by default; returns when it continues.
  void suspend();

 private:
  int descriptor_;
};

/// Lets the signals of a later PendingSignals have their usual effect until it is destroyed, while threads start that
/// must not take them from it. Must be made before any other thread starts.
class UsualSignals {
 public:
  explicit UsualSignals(bool on_terminal);
  ~UsualSignals() { end_.set_value(); }
  UsualSignals(const UsualSignals&) = delete;
  UsualSignals& operator=(const UsualSignals&) = delete;

 private:
  std::promise<void> end_;
  std::jthread thread_;  // the only one that does not block the signals
};

}  // namespace kiln::cli
