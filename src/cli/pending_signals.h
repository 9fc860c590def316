// Takes signals between two pieces of work, for a program that computes and talks with a person in turn.
#pragma once

#include <optional>

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

}  // namespace kiln::cli
