// Blocks the signals and reads them from a descriptor.
#include "cli/pending_signals.h"

#include "kiln/core/error.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace kiln::cli {
namespace {

/// Returns the signals of PendingSignals, without those that are ignored.
sigset_t pending_set(bool on_terminal) {
  sigset_t set;
  ::sigemptyset(&set);
  const auto add = [&set](int signal) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler != SIG_IGN) ::sigaddset(&set, signal);
  };
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) add(signal);
  if (on_terminal) {
    for (const int signal : {SIGTSTP, SIGWINCH}) add(signal);
  }
  return set;
}

}  // namespace

PendingSignals::PendingSignals(bool on_terminal) {
  const sigset_t set = pending_set(on_terminal);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  descriptor_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  check_io(descriptor_ >= 0, "signals cannot be read: {}", std::strerror(errno));
}

PendingSignals::~PendingSignals() { ::close(descriptor_); }

PendingSignals::News PendingSignals::take() {
  News news;
  for (signalfd_siginfo info{}; ::read(descriptor_, &info, sizeof info) == ssize_t{sizeof info};) {
    switch (const int signal = static_cast<int>(info.ssi_signo); signal) {
      case SIGINT:
        news.interrupted = true;
        break;
      case SIGTSTP:
        news.suspended = true;
        break;
      case SIGWINCH:
        news.resized = true;
        break;
      default:
        news.ended = signal;
    }
  }
  return news;
}

void PendingSignals::wait_for_input() const {
  std::array<pollfd, 2> sources{pollfd{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                                pollfd{.fd = descriptor_, .events = POLLIN, .revents = 0}};
  while (::poll(sources.data(), sources.size(), -1) < 0) {
    check_io(errno == EINTR, "stdin: cannot be waited for: {}", std::strerror(errno));
  }
}

void PendingSignals::suspend() {
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, SIGTSTP);
  ::raise(SIGTSTP);
  ::pthread_sigmask(SIG_UNBLOCK, &one, nullptr);  // stops here
  ::pthread_sigmask(SIG_BLOCK, &one, nullptr);
}

UsualSignals::UsualSignals(bool on_terminal) {
  const sigset_t set = pending_set(on_terminal);
  thread_ = std::jthread([set, end = end_.get_future()] {
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    end.wait();
  });
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace kiln::cli
