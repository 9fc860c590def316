// Waits for signals in a thread, so that none interrupts a computation and answers may lock and allocate.
#include "cli/stop_signals.h"

#include <array>
#include <chrono>
#include <csignal>
#include <ctime>
#include <mutex>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace kiln::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<int, 4> kSignals{SIGINT, SIGTERM, SIGHUP, SIGUSR1};
// Signals within this time count as one: a hangup comes from shell and system, and timeout(1) stops child and group.
constexpr std::chrono::milliseconds kEcho{500};

struct State {
  std::mutex mutex;
  bool is_awaited = false;  // by a StopSignals
  std::optional<int> noted;
  Clock::time_point noted_at;
  StopSignals::Answer answer;
  std::thread answering;  // while the watcher waits for a second signal
};

State& state() {
  static State& state = *new State;  // never destroyed: the watcher outlives main
  return state;
}

/// Returns the signals to watch: without SIGHUP under nohup.
sigset_t stop_signals() {
  static const sigset_t signals = [] {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : kSignals) {
      struct sigaction action {};
      ::sigaction(signal, nullptr, &action);
      if (signal != SIGHUP || action.sa_handler != SIG_IGN) ::sigaddset(&set, signal);
    }
    return set;
  }();
  return signals;
}

/// Applies the signal's usual effect, which mostly ends the process.
void let_through(int signal) {
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
  ::raise(signal);
  ::pthread_sigmask(SIG_BLOCK, &one, nullptr);
}

void take(int signal) {
  State& s = state();
  std::unique_lock lock(s.mutex);
  if (!s.is_awaited) {
    lock.unlock();
    return let_through(signal);
  }
  const Clock::time_point now = Clock::now();
  if (!s.noted) {
    s.noted = signal;
    s.noted_at = now;
    if (!s.answer) return;
    try {
      s.answering = std::thread(s.answer, signal);
    } catch (const std::system_error&) {
      // No thread can be started: the signal is noted without an answer.
    }
  } else if (signal != SIGHUP && now - s.noted_at >= kEcho) {
    ::_exit(kSignalExitBase + signal);
  }
}

/// Takes the signals sent to this thread alone, which the watcher does not receive.
void take_own() {
  const sigset_t signals = stop_signals();
  const timespec at_once{};
  for (int signal; (signal = ::sigtimedwait(&signals, nullptr, &at_once)) > 0;) take(signal);
}

/// Returns the noted signal, after waiting for its answer.
std::optional<int> noted_and_answered() {
  State& s = state();
  std::unique_lock lock(s.mutex);
  const std::optional<int> noted = s.noted;
  std::thread answering = std::exchange(s.answering, {});
  lock.unlock();
  if (answering.joinable()) answering.join();
  return noted;
}

}  // namespace

void watch_stop_signals() {
  static std::once_flag once;
  std::call_once(once, [] {
    const sigset_t signals = stop_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::thread([signals] {
      for (int signal = 0;;) {
        if (::sigwait(&signals, &signal) == 0) take(signal);
      }
    }).detach();
  });
}

StopSignals::StopSignals(Answer answer) {
  watch_stop_signals();
  const std::lock_guard lock(state().mutex);
  state().is_awaited = true;
  state().noted.reset();
  state().answer = std::move(answer);
}

StopSignals::~StopSignals() {
  {
    const std::lock_guard lock(state().mutex);
    state().is_awaited = false;
    state().answer = {};
  }
  noted_and_answered();
}

std::optional<int> StopSignals::received() const {
  take_own();
  return noted_and_answered();
}

std::string_view name_of_signal(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGUSR1:
      return "SIGUSR1";
    default:
      return "SIGHUP";
  }
}

}  // namespace kiln::cli
