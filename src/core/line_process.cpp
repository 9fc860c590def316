// Connects the program by a pair of sockets: writing to a program that has ended is then an error, not a signal.
#include "kiln/core/line_process.h"

#include "kiln/core/json.h"
#include "kiln/core/shown_text.h"
#include "kiln/core/stopwatch.h"

#include <nlohmann/json.hpp>

#include "core/posix.h"
#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

extern char** environ;

namespace kiln {
namespace {

constexpr int kMomentMs = 10;
constexpr int kMoments = 100;                                // until a program is killed
constexpr double kLongestWaitMs = 100;                       // of one poll(2)
constexpr std::size_t kLongestLine = std::size_t{16} << 20;  // bytes of an answer

/// Starts the program with `stream` as its stdin and stdout. Returns an error code of posix_spawnp, 0 if there is none.
int spawn(std::vector<std::string>& command, int stream, pid_t& id) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, stream, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, stream, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ::posix_spawnattr_setpgroup(&attributes, 0);  // a group of its own
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);  // a training blocks those that stop it
  ::sigaddset(&signals, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);  // kiln ignores it
  std::vector<char*> words;
  for (std::string& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  const int error = ::posix_spawnp(&id, words.front(), &actions, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

std::string shown_command(std::span<const std::string> command) {
  std::string shown;
  for (const std::string& word : command) {
    if (!shown.empty()) shown += ' ';
    shown += shell_quoted(word);
  }
  return shown;
}

LineProcess::LineProcess(std::vector<std::string> command) : command_(std::move(command)) {
  check(!command_.empty(), "a program to run is expected");
  std::array<int, 2> ends{};
  check_io(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "{}: cannot be connected: {}",
           command_.front(), last_error());
  stream_ = Descriptor::adopt(ends[0]);
  const Descriptor other = Descriptor::adopt(ends[1]);
  const int error = spawn(command_, other.get(), id_);
  const bool is_one_word = command_.size() == 1 && command_.front().find(' ') != std::string::npos;
  check(error == 0, "{}: cannot be started: {}{}", command_.front(), std::strerror(error),
        is_one_word ? "; give the program and each argument as a word of its own" : "");
}

LineProcess::~LineProcess() {
  stream_.close();
  if (id_ <= 0) return;
  await_end();
  kill_group();
}

std::string LineProcess::ask(std::string_view line, double seconds, const WhileWaiting& while_waiting) {
  const Stopwatch stopwatch;
  const std::string question = std::string(line) + "\n";
  std::string_view unsent = question;
  std::string received;
  receive(received);
  if (!received.empty()) fail_unasked(fmt::format("has written {} unasked", brief_json(received)));
  for (;;) {
    if (while_waiting) while_waiting();
    const double left = seconds - stopwatch.seconds();
    if (left <= 0)
      fail_because(fmt::format("has not {} within {:g} s", unsent.empty() ? "answered" : "read its question", seconds));
    const int events = POLLIN | (unsent.empty() ? 0 : POLLOUT);
    pollfd ready{.fd = stream_.get(), .events = static_cast<short>(events), .revents = 0};
    const int wait_ms = static_cast<int>(std::clamp(left * 1000, 1.0, kLongestWaitMs));
    if (::poll(&ready, 1, wait_ms) <= 0) continue;  // a signal, or perhaps the end of the time
    send(unsent);
    receive(received);
    const std::size_t end = received.find('\n');
    if (end != std::string::npos && end + 1 < received.size()) {
      fail_unasked(fmt::format("has written {}, more than one line for a question", brief_json(received)));
    }
    if (end == std::string::npos || !unsent.empty()) continue;
    received.pop_back();
    return received;
  }
}

/// Sends what the program takes now.
void LineProcess::send(std::string_view& unsent) const {
  while (!unsent.empty()) {
    const ssize_t sent = ::send(stream_.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return;
    unsent.remove_prefix(sent < 0 ? unsent.size() : static_cast<std::size_t>(sent));  // if it ended, receive() says so
  }
}

/// Receives what the program has written.
void LineProcess::receive(std::string& received) {
  for (;;) {
    std::array<char, 65536> piece{};
    const ssize_t got = ::recv(stream_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0 && received.find('\n') == std::string::npos) fail_ended();
    if (got <= 0) return;
    received.append(piece.data(), static_cast<std::size_t>(got));
    if (received.size() > kLongestLine) fail_because("has written a line of more than 16 MiB");
  }
}

void LineProcess::check_silent() {
  pollfd ready{.fd = stream_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, kMomentMs) <= 0) return;
  std::array<char, 256> piece{};
  const ssize_t got = ::recv(stream_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (got <= 0) return;  // it has ended: the next question finds that
  fail_unasked(
      fmt::format("has written {} unasked", brief_json(std::string(piece.data(), static_cast<std::size_t>(got)))));
}

void LineProcess::fail_unasked(std::string_view reason) const {
  throw UnaskedOutput(ExitCode::failure, printable(fmt::format("{}: {}", shown_command(command_), reason)));
}

void LineProcess::fail_because(std::string_view reason) const {
  fail(ExitCode::failure, "{}: {}", shown_command(command_), reason);
}

void LineProcess::fail_ended() {
  if (id_ <= 0) fail_because("has ended");
  if (!await_end()) fail_because("has closed its output before it answered");
  const int status = kill_group();
  const std::string how = WIFSIGNALED(status) ? fmt::format("by signal {}", WTERMSIG(status))
                                              : fmt::format("with exit status {}", WEXITSTATUS(status));
  fail_because(fmt::format("ended {} before it answered", how));
}

/// Returns true if the program ends within a second. Leaves it to be waited for, so that the group's id stays its own.
bool LineProcess::await_end() const {
  for (int i = 0; i < kMoments; ++i) {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT);
    if (info.si_pid != 0) return true;
    ::poll(nullptr, 0, kMomentMs);
  }
  return false;
}

/// Kills what still runs of the program's group. Returns the program's status.
int LineProcess::kill_group() {
  ::kill(-id_, SIGKILL);
  ::kill(id_, SIGKILL);  // it may have left its group
  int status = 0;
  while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
  }
  id_ = -1;
  return status;
}

}  // namespace kiln
