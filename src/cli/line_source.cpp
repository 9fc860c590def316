// Reads stdin directly, since stdio would not return for a signal.
#include "cli/line_source.h"

#include "kiln/core/error.h"

#include "cli/commands.h"
#include "cli/output.h"
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <unistd.h>
#include <utility>

namespace kiln::cli {

Line PlainLines::read(const std::string& prompt) {
  if (interactive_) write_stdout(prompt);
  for (;;) {
    if (const std::size_t end = buffer_.find('\n', searched_); end != std::string::npos) {
      std::string text = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      searched_ = 0;
      return {.text = std::move(text)};
    }
    searched_ = buffer_.size();
    signals_.wait_for_input();
    const PendingSignals::News news = signals_.take();
    if (news.ended) throw ExitWith{kSignalExit + *news.ended};
    if (news.interrupted && !interactive_) throw ExitWith{kSignalExit + SIGINT};
    if (news.interrupted) {
      write_stdout("\n");  // the terminal has shown ^C and dropped the line
      return {.kind = Line::Kind::interrupted, .text = std::exchange(buffer_, {})};
    }
    if (news.suspended) signals_.suspend();
    if (news.suspended || news.resized) continue;
    std::array<char, 1 << 16> piece;
    const ssize_t got = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    check_io(got >= 0, "stdin: cannot be read: {}", std::strerror(errno));
    buffer_.append(piece.data(), static_cast<std::size_t>(got));
    if (got > 0) continue;
    if (buffer_.empty()) return {.kind = Line::Kind::end};
    return {.text = std::exchange(buffer_, {})};
  }
}

}  // namespace kiln::cli
