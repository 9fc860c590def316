// SIGINT, SIGTERM and SIGHUP as a wish to stop at the next step boundary.
#pragma once

#include <array>
#include <optional>
#include <signal.h>
#include <string_view>

namespace kiln {

inline constexpr int kSignalExitBase = 128;  // a shell's code for "ended by signal n" is 128 + n

/// "SIGINT", "SIGTERM" or "SIGHUP".
std::string_view name_of_signal(int signal);

/// While it lives, the first such signal is noted for received(); a second one ends the process at once with 128 + its
/// number, since whoever sends it no longer wants to wait. A SIGHUP that was ignored stays so: that is what nohup asks.
/// At most one object at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that came, if one did.
  std::optional<int> received() const;

 private:
  std::array<struct sigaction, 3> previous_;
};

}  // namespace kiln
