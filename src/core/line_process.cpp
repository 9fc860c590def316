// Connects the program by a pair of sockets: writing to a program that has ended is then an error, not a signal.
#include "kiln/core/line_process.h"

#include "core/posix.h"
#include "kiln/core/stopwatch.h"

#include <fmt/ranges.h>

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
constexpr int kMoments = 100;  // until a program is killed

}  // namespace

LineProcess::LineProcess(std::vector<std::string> command) : command_(std::move(command)) {
  check(!command_.empty(), "a program to run is expected");
  std::array<int, 2> ends{};
  check_io(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "{}: cannot be connected: {}",
           command_.front(), last_error());
  stream_ = Descriptor::adopt(ends[0]);
  const Descriptor other = Descriptor::adopt(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, other.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, other.get(), STDOUT_FILENO);
  std::vector<char*> words;
  for (std::string& word : command_) words.push_back(word.data());
  words.push_back(nullptr);
  const int error = ::posix_spawnp(&id_, words.front(), &actions, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  check(error == 0, "{}: cannot be started: {}", command_.front(), std::strerror(error));
}

LineProcess::~LineProcess() {
  if (id_ <= 0) return;
  stream_.close();
  for (int i = 0; i < kMoments; ++i) {
    if (::waitpid(id_, nullptr, WNOHANG) != 0) return;
    ::poll(nullptr, 0, kMomentMs);
  }
  ::kill(id_, SIGKILL);
  ::waitpid(id_, nullptr, 0);
}

std::string LineProcess::ask(std::string_view line, double seconds) {
  send(std::string(line) + "\n");
  return receive(seconds);
}

void LineProcess::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(stream_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return;  // it has ended: receive() says so
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string LineProcess::receive(double seconds) {
  const Stopwatch stopwatch;
  for (;;) {
    const std::size_t end = received_.find('\n');
    if (end != std::string::npos) {
      std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    const double left = seconds - stopwatch.seconds();
    pollfd ready{.fd = stream_.get(), .events = POLLIN, .revents = 0};
    const int count = left > 0 ? ::poll(&ready, 1, std::max(1, static_cast<int>(left * 1000))) : 0;
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) fail(ExitCode::failure, "{}: says nothing for {:g} s", fmt::join(command_, " "), seconds);
    std::array<char, 65536> piece{};
    const ssize_t got = ::recv(stream_.get(), piece.data(), piece.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) fail_ended();
    received_.append(piece.data(), static_cast<std::size_t>(got));
  }
}

void LineProcess::fail_ended() {
  int status = 0;
  ::waitpid(std::exchange(id_, -1), &status, 0);
  const std::string how = WIFSIGNALED(status) ? fmt::format("by signal {}", WTERMSIG(status))
                                              : fmt::format("with exit status {}", WEXITSTATUS(status));
  fail(ExitCode::failure, "{}: ended {} before it answered", fmt::join(command_, " "), how);
}

}  // namespace kiln
