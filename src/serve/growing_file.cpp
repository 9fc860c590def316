// Reads from where the last line ended, and compares the bytes before it to notice another file.
#include "serve/growing_file.h"

#include "kiln/core/descriptor.h"
#include "kiln/core/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace kiln {
namespace {

constexpr std::size_t kMostOfLine = std::size_t{1} << 20;  // bytes, and of each read
constexpr std::size_t kEndBytes = 64;

/// Opens a file without waiting, as a pipe without a writer would. Owns no descriptor if it is no regular file.
Descriptor open_regular(const std::filesystem::path& path, struct stat& status) {
  Descriptor file(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (file.is_open() && (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))) file.close();
  return file;
}

/// Fills `bytes` from `offset` on as far as the file goes, and cuts it there. Throws Error (io).
void read_at(int file, std::uint64_t offset, std::string& bytes, const std::filesystem::path& path) {
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got =
        ::pread(file, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    check_io(got >= 0, "{}: cannot be read: {}", path.string(), std::strerror(errno));
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
}

}  // namespace

void GrowingFile::read(const std::function<void()>& restart, const std::function<void(std::string_view)>& line) {
  struct stat status {};
  const Descriptor file = open_regular(path_, status);
  const bool is_there = file.is_open();
  if (!is_there || !continues(file.get(), static_cast<std::uint64_t>(status.st_size), status.st_dev, status.st_ino)) {
    restart();
    position_ = 0;
    end_.clear();
    is_in_long_line_ = false;
    inode_ = is_there ? status.st_ino : 0;
    device_ = is_there ? status.st_dev : 0;
  }
  if (!is_there) return;
  if (static_cast<std::uint64_t>(status.st_size) > position_) read_on(file.get(), line);
}

/// Returns whether the bytes before position_ are those that were read.
bool GrowingFile::continues(int file, std::uint64_t size, dev_t device, ino_t inode) const {
  if (device != device_ || inode != inode_ || size < position_) return false;
  std::string before(end_.size(), '\0');
  read_at(file, position_ - before.size(), before, path_);
  return before == end_;
}

void GrowingFile::read_on(int file, const std::function<void(std::string_view)>& line) {
  const std::uint64_t begin = position_;
  std::string piece;
  for (;;) {
    piece.resize(kMostOfLine);
    read_at(file, position_, piece, path_);
    if (piece.empty()) break;
    std::size_t at = 0;
    for (std::size_t feed; (feed = piece.find('\n', at)) != std::string::npos; at = feed + 1) {
      if (!is_in_long_line_) line(std::string_view(piece).substr(at, feed - at));
      is_in_long_line_ = false;
    }
    if (at == 0 && (is_in_long_line_ || piece.size() == kMostOfLine)) {
      is_in_long_line_ = true;
      at = piece.size();
    }
    position_ += at;
    if (piece.size() < kMostOfLine) break;  // the file's end
  }
  if (position_ != begin) remember_end(file);
}

void GrowingFile::remember_end(int file) {
  end_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kEndBytes, position_)));
  read_at(file, position_ - end_.size(), end_, path_);
}

std::string last_lines(const std::filesystem::path& path, std::uint64_t most) {
  struct stat status {};
  const Descriptor file = open_regular(path, status);
  if (!file.is_open()) return "";
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t begin = size - std::min(size, most);
  std::string bytes(static_cast<std::size_t>(size - begin), '\0');
  read_at(file.get(), begin, bytes, path);
  bytes.resize(bytes.rfind('\n') + 1);  // nothing without a line feed
  if (begin > 0) bytes.erase(0, bytes.find('\n') + 1);
  return bytes;
}

}  // namespace kiln
