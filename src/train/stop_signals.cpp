// A handler that only notes, which is all that a handler may safely do.
#include "kiln/train/stop_signals.h"

#include <csignal>
#include <unistd.h>

namespace kiln {
namespace {

constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t noted = 0;

void note(int signal) {
  if (noted != 0) ::_exit(kSignalExitBase + signal);
  noted = signal;
}

}  // namespace

StopSignals::StopSignals() {
  noted = 0;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], &action, &previous_[i]);
    const bool is_nohup = kSignals[i] == SIGHUP && previous_[i].sa_handler == SIG_IGN;
    if (is_nohup) ::sigaction(SIGHUP, &previous_[i], nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &previous_[i], nullptr);
}

std::string_view name_of_signal(int signal) {
  return signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGHUP";
}

std::optional<int> StopSignals::received() const {
  if (noted == 0) return std::nullopt;
  return static_cast<int>(noted);
}

}  // namespace kiln
