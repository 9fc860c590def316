// A program that runs on a terminal, and a test that reads what a person would see there.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace kiln::testing {

/// Returns a command with the variables of a terminal of some kind without colour, and with these.
inline std::vector<std::string> at_terminal(std::vector<std::string> command, const std::string& kind = "xterm",
                                            const std::vector<std::string>& variables = {}) {
  command.insert(command.begin(), variables.begin(), variables.end());
  command.insert(command.begin(), {"env", "NO_COLOR=1", "TERM=" + kind});
  return command;
}

/// A program on a terminal of its own, of which the test holds the other end.
class OnTerminal {
 public:
  explicit OnTerminal(const std::vector<std::string>& command, int width = 100)
      : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    ::grantpt(master_);
    ::unlockpt(master_);
    const std::string name = ::ptsname(master_);
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    id_ = ::fork();
    if (id_ != 0) return;
    ::setsid();
    const int terminal = ::open(name.c_str(), O_RDWR);  // which becomes the session's own
    const winsize size{.ws_row = 24, .ws_col = static_cast<unsigned short>(width), .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(terminal, TIOCSWINSZ, &size);
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(terminal, stream);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }

  ~OnTerminal() {
    if (id_ < 0) return;
    ::kill(id_, SIGKILL);
    hang_up();
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  /// Reads until `text` has come; false where the process ended, or nothing came for a minute, without it.
  bool wait_for(std::string_view text) {
    while (seen_.find(text, searched_) == std::string::npos) {
      if (!read(60'000)) return false;
    }
    searched_ = seen_.find(text, searched_) + text.size();
    return true;
  }

  /// Reads until so many further bytes have come; false as wait_for.
  bool wait_for_more(std::size_t bytes) {
    while (seen_.size() < searched_ + bytes) {
      if (!read(60'000)) return false;
    }
    return true;
  }

  /// All that has come when the process has ended.
  const std::string& all() {
    while (read(60'000)) continue;
    return seen_;
  }

  /// All that has come so far.
  const std::string& seen() const { return seen_; }

  void type(std::string_view text) const { EXPECT_EQ(::write(master_, text.data(), text.size()), std::ssize(text)); }

  /// Gives the window another width.
  void resize(int width) const {
    const winsize size{.ws_row = 24, .ws_col = static_cast<unsigned short>(width), .ws_xpixel = 0, .ws_ypixel = 0};
    ::ioctl(master_, TIOCSWINSZ, &size);
  }

  void send(int signal) const { ::kill(id_, signal); }

  /// Closes the terminal and returns the exit code.
  int hang_up() {
    ::close(master_);
    int status = 0;
    ::waitpid(std::exchange(id_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  bool read(int patience_ms) {
    std::array<char, 4096> buffer;
    pollfd arrival{.fd = master_, .events = POLLIN, .revents = 0};
    const ssize_t count = ::poll(&arrival, 1, patience_ms) == 1 ? ::read(master_, buffer.data(), buffer.size()) : 0;
    if (count <= 0) return false;
    seen_.append(buffer.data(), static_cast<std::size_t>(count));
    return true;
  }

  int master_;
  std::string seen_;
  std::size_t searched_ = 0;  // where wait_for continues
  pid_t id_ = -1;
};

}  // namespace kiln::testing
