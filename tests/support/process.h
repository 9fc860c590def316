// Runs a program as a user would: what it is given, what it prints, how it ends.
#pragma once

#include <gtest/gtest.h>

#include "support/sanitized.h"
#include "support/wait.h"
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace kiln::testing {

/// What a sanitizer's own accounts add to a process's peak.
inline constexpr std::uint64_t kSanitizerBytes = kSanitized ? 1u << 30 : 0;

struct Outcome {
  int code = 0;  // of the exit; -n where signal n ended the process
  std::string out, err;
  std::uint64_t peak_bytes = 0;  // the most memory it held
};

/// A process at work; its streams are temporary files, so that it never waits for a reader.
class Process {
 public:
  /// Starts `command`, its name first, with `input` on stdin, in `directory` ("": this one).
  explicit Process(const std::vector<std::string>& command, std::string_view input = "",
                   const std::filesystem::path& directory = {})
      : in_(std::tmpfile()), out_(std::tmpfile()), err_(std::tmpfile()) {
    std::fwrite(input.data(), 1, input.size(), in_.get());
    std::rewind(in_.get());
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    std::fflush(nullptr);
    id_ = ::fork();
    if (id_ != 0) return;
    ::dup2(::fileno(in_.get()), STDIN_FILENO);
    ::dup2(::fileno(out_.get()), STDOUT_FILENO);
    ::dup2(::fileno(err_.get()), STDERR_FILENO);
    if (directory.empty() || ::chdir(directory.c_str()) == 0) ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ~Process() {
    if (!ended_) {
      send(SIGKILL);
      finish();
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t id() const { return id_; }
  void send(int signal) const { ::kill(id_, signal); }

  bool is_running() const {
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == 0;
  }

  /// Waits until stderr holds `text`; false where the process ended, or a minute passed, without it.
  bool wait_for_error_text(std::string_view text) {
    const auto has_come = [&] { return read(err_.get()).find(text) != std::string::npos; };
    return wait_until([&] { return !is_running() || has_come(); }) && has_come();
  }

  /// Waits until stdout holds so many bytes; false as wait_for_error_text.
  bool wait_for_output(std::size_t bytes) {
    const auto has_come = [&] { return read(out_.get()).size() >= bytes; };
    return wait_until([&] { return !is_running() || has_come(); }) && has_come();
  }

  /// Waits for the end. What a sanitizer has to say of the process fails the test.
  Outcome finish() {
    struct rusage usage {};
    int status = 0;
    ::wait4(id_, &status, 0, &usage);
    ended_ = true;
    Outcome outcome{.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
                    .out = read(out_.get()),
                    .err = read(err_.get()),
                    .peak_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024};
    for (const char* report : {"Sanitizer", "runtime error: "}) {
      if (kSanitized && outcome.err.find(report) != std::string::npos) ADD_FAILURE() << outcome.err;
    }
    return outcome;
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  using File = std::unique_ptr<std::FILE, Close>;

  /// All that was written, wherever the writer stands.
  static std::string read(std::FILE* file) {
    std::string text;
    std::array<char, 1 << 16> buffer;
    for (ssize_t count; (count = ::pread(::fileno(file), buffer.data(), buffer.size(), std::ssize(text))) > 0;)
      text.append(buffer.data(), static_cast<std::size_t>(count));
    return text;
  }

  File in_, out_, err_;
  pid_t id_ = -1;
  bool ended_ = false;
};

/// Runs a command to its end.
inline Outcome run(const std::vector<std::string>& command, std::string_view input = "",
                   const std::filesystem::path& directory = {}) {
  return Process(command, input, directory).finish();
}

#ifdef KILN_BINARY
/// The command line of the program under test.
inline std::vector<std::string> kiln(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), KILN_BINARY);
  return arguments;
}

inline Outcome run_kiln(std::vector<std::string> arguments, std::string_view input = "",
                        const std::filesystem::path& directory = {}) {
  return run(kiln(std::move(arguments)), input, directory);
}
#endif

}  // namespace kiln::testing
