// SIGINT, SIGTERM and SIGHUP as a wish to stop at the next step boundary.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

namespace kiln {

inline constexpr int kSignalExitBase = 128;  // a shell's code for "ended by signal n" is 128 + n

/// "SIGINT", "SIGTERM" or "SIGHUP".
std::string_view name_of_signal(int signal);

/// From here on a thread of its own takes these signals, and passes on those that no StopSignals waits for: they do
/// what they did. To be called before any other thread begins: one that is there already may still be interrupted by a
/// signal, and then the process ends as it ever did. A SIGHUP that is ignored stays so: that is what nohup asks.
void watch_stop_signals();

/// Thrown by leave_if_stopped.
struct Interrupted {};

/// Throws Interrupted where a StopSignals has noted a signal: for work that is given up then, between its parts.
void leave_if_stopped();

/// While it lives, the first such signal is noted for received(), and answered at once: `answer` is called with it on a
/// thread of its own, and is over before received() tells of the signal. One that comes half a second later or more
/// ends the process at once with 128 + its number, since whoever sends it no longer wants to wait; SIGHUP never does,
/// which nobody sends out of impatience. Watches the signals from then on. At most one object at a time.
class StopSignals {
 public:
  using Answer = std::function<void(int signal)>;

  explicit StopSignals(Answer answer = {});
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came, if one did.
  std::optional<int> received() const;
};

}  // namespace kiln
