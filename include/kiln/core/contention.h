// Whether other programs took the processor while something was measured.
#pragma once

#include <optional>

namespace kiln {

/// Watches from its construction on how long threads of this process were ready to run and had to wait for a core.
class Contention {
 public:
  Contention() : begin_(read()) {}

  /// Time waited, as a share of the time that the threads ran or waited, since construction; what a hypervisor gave to
  /// other machines counts as waiting. Nothing where the system does not tell. Threads that have ended do not count.
  std::optional<double> waited_share() const;

 private:
  struct Times {
    double ran = 0, waited = 0;        // seconds, of this process's threads
    double stolen = 0, available = 0;  // of the whole machine, in any unit
  };
  static std::optional<Times> read();

  std::optional<Times> begin_;
};

/// From which share on a machine is called busy: below, waking up and the system's own work explain it.
inline constexpr double kBusyShare = 0.1;

}  // namespace kiln
