// Measures how much CPU time other programs took from this process.
#pragma once

#include <optional>

namespace kiln {

/// Measures, from its construction on, how long runnable threads of this process waited for a core.
class Contention {
 public:
  Contention() : begin_(read()) {}

  /// Returns waiting time / (running + waiting time) since construction. Time stolen by a hypervisor counts as waiting;
  /// threads that have ended do not count. Returns nullopt where the system has no such figures.
  std::optional<double> waited_share() const;

 private:
  struct Times {
    double ran = 0, waited = 0;        // seconds, of this process's threads
    double stolen = 0, available = 0;  // of the whole machine, in any unit
  };
  static std::optional<Times> read();

  std::optional<Times> begin_;
};

/// The waiting share from which a machine counts as busy. Wake-ups and the system's own work explain smaller shares.
inline constexpr double kBusyShare = 0.1;

}  // namespace kiln
