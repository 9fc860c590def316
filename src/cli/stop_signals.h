// Handles SIGINT, SIGTERM, SIGHUP and SIGUSR1 as requests to stop at the next step boundary.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

namespace kiln::cli {

inline constexpr int kSignalExitBase = 128;  // a shell's code for "ended by signal n" is 128 + n

/// Returns "SIGINT", "SIGTERM", "SIGHUP" or "SIGUSR1", which mpirun and Slurm pass on to all ranks.
std::string_view name_of_signal(int signal);

/// Starts a thread that takes these signals. Without a StopSignals they keep their usual effect. Must be called before
/// any other thread starts: a signal delivered to an earlier thread still ends the process. An ignored SIGHUP stays
/// ignored, for nohup.
void watch_stop_signals();

/// Notes the first such signal of its lifetime for received(), and answers it at once: calls `answer` with it on a
/// separate thread, which ends before received() returns the signal. A later signal ends the process at once with 128 +
/// its number if it comes at least half a second after the first; SIGHUP never does. Calls watch_stop_signals. At most
/// one object may exist at a time.
class StopSignals {
 public:
  using Answer = std::function<void(int signal)>;

  explicit StopSignals(Answer answer = {});
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Returns the noted signal, if any.
  std::optional<int> received() const;
};

}  // namespace kiln::cli
