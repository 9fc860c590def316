// Locks with flock(2) and writes the holder's process id to the file, for error messages.
#include "kiln/core/file_lock.h"

#include "kiln/core/file.h"

#include "core/posix.h"
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <signal.h>
#include <sys/file.h>
#include <system_error>

namespace kiln {

FileLock::FileLock(const std::filesystem::path& path, std::string_view remedy) : file_(path, O_RDWR | O_CREAT) {
  check_io(file_.is_open(), "{}: cannot be created: {}", path.string(), last_error());
  if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    check_io(reason == EWOULDBLOCK, "{}: cannot be locked: {}", path.string(), std::strerror(reason));
    std::string holder = read_file(path);
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    fail(ExitCode::usage, "{}: in use by process {}; wait until it ends{}{}", path.parent_path().string(), holder,
         remedy.empty() ? "" : ", or ", remedy);
  }
  const std::string self = fmt::format("{}\n", ::getpid());
  const bool written = ::ftruncate(file_.get(), 0) == 0 &&
                       ::pwrite(file_.get(), self.data(), self.size(), 0) == static_cast<ssize_t>(self.size());
  check_io(written, "{}: cannot be written: {}", path.string(), last_error());
}

bool is_file_lock(const std::filesystem::path& path) {
  constexpr std::uintmax_t kLongest = 32;  // bytes
  std::error_code error;
  const bool is_short =
      std::filesystem::is_regular_file(path, error) && std::filesystem::file_size(path, error) <= kLongest;
  if (!is_short || error) return false;
  const std::string text = read_file(path);
  return text.size() > 1 && text.ends_with('\n') && text.find_first_not_of("0123456789") == text.size() - 1;
}

std::optional<std::int64_t> lock_holder(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  if (file.get() < 0) return std::nullopt;
  const std::int64_t holder = std::atoll(read_file(path).c_str());
  // Checks first that the process is alive: trying the lock would block others from it for an instant.
  const bool is_alive = holder > 0 && (::kill(static_cast<pid_t>(holder), 0) == 0 || errno == EPERM);
  const bool is_held = is_alive && ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  return is_held ? std::optional(holder) : std::nullopt;
}

}  // namespace kiln
