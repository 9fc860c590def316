// Checks every return value: data reported as written is on the disk.
#include "kiln/core/file_streams.h"

#include "core/posix.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/file.h>
#include <utility>

namespace kiln {
namespace {

constexpr std::size_t kBlock = 4096;  // O_DIRECT needs memory, offset and length in multiples of this

/// Allocates the buffer of a FileWriter. Throws std::bad_alloc.
char* new_piece() {
  void* const bytes = std::aligned_alloc(kBlock, kPiece);
  if (bytes == nullptr) throw std::bad_alloc();
  return static_cast<char*>(bytes);
}

/// Turns O_DIRECT off for the writes that follow; false if it is not set or cannot be turned off.
bool use_page_cache(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0 && ::fcntl(descriptor, F_SETFL, flags & ~O_DIRECT) == 0;
}

void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EINVAL && use_page_cache(descriptor))
      continue;  // a short write has left the block grid
    check_io(written > 0, "{}: cannot be written: {}", path.string(), last_error());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

FileReader::FileReader(const std::filesystem::path& path)
    : path_(path), file_(path, O_RDONLY), size_(size_for_reading(file_, path)) {}

void FileReader::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    check_io(got >= 0, "{}: cannot be read: {}", path_.string(), last_error());
    check_input(got > 0, "{}: ends at byte {}, where {} more are expected; was it cut short?", path_.string(), offset,
                bytes.size());
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

FileWriter::FileWriter(const std::filesystem::path& path, PageCache cache)
    : path_(path), buffer_(new_piece()), file_(path, O_WRONLY | O_CREAT | O_TRUNC) {
  check_io(file_.is_open(), "{}: cannot be created: {}", path.string(), last_error());
  if (cache == PageCache::bypass) ::fcntl(file_.get(), F_SETFL, ::fcntl(file_.get(), F_GETFL) | O_DIRECT);
}

void FileWriter::write(std::string_view bytes) {
  hash_.update(bytes);
  size_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), kPiece - buffered_);
    std::memcpy(buffer_.get() + buffered_, bytes.data(), count);
    buffered_ += count;
    bytes.remove_prefix(count);
    if (buffered_ == kPiece) flush();
  }
}

void FileWriter::rewrite(std::uint64_t offset, std::string_view bytes) {
  flush();
  const ssize_t written = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  check_io(written == std::ssize(bytes), "{}: cannot be written: {}", path_.string(), last_error());
}

void FileWriter::flush() {
  if (buffered_ < kPiece) use_page_cache(file_.get());  // usually the file's end, which seldom fills a block
  write_all(file_.get(), {buffer_.get(), std::exchange(buffered_, 0)}, path_);
}

FileDigest FileWriter::finish() {
  flush();
  require(::fsync(file_.get()) == 0, path_, "cannot be flushed to the disk");
  require(file_.close(), path_, "cannot be closed");
  return {size_, hash_.digest()};
}

RecordAppender::RecordAppender(const std::filesystem::path& path)
    : path_(path), file_(path, O_WRONLY | O_CREAT | O_APPEND) {
  check_io(file_.is_open(), "{}: cannot be opened for writing: {}", path.string(), last_error());
}

void RecordAppender::append(std::string_view record) {
  const off_t end = ::lseek(file_.get(), 0, SEEK_END);
  ssize_t written = -1;
  do {
    written = ::write(file_.get(), record.data(), record.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(record.size())) return;
  const std::string reason = written < 0 ? last_error() : "the disk is full";
  const bool taken_back = written <= 0 || (end >= 0 && ::ftruncate(file_.get(), end) == 0);
  fail(ExitCode::io, "{}: cannot be written: {}{}", path_.string(), reason,
       taken_back ? "" : " (a part of it is written)");
}

LineAppender::LineAppender(const std::filesystem::path& path) : records_(path) {
  const FileReader file(path);
  char last = '\n';
  if (file.size() > 0) file.read(file.size() - 1, std::as_writable_bytes(std::span(&last, 1)));
  if (last != '\n') records_.append("\n");
}

void RecordAppender::sync() { require(::fsync(file_.get()) == 0, path_, "cannot be flushed to the disk"); }

SharedAppender::SharedAppender(const std::filesystem::path& path, std::function<bool(std::string_view)> is_whole)
    : path_(path), file_(path, O_RDWR | O_CREAT | O_APPEND), is_whole_(std::move(is_whole)) {
  check_io(file_.is_open(), "{}: cannot be opened for writing: {}", path.string(), last_error());
}

void SharedAppender::append(std::string_view line) {
  struct Lock {
    int file;
    ~Lock() { ::flock(file, LOCK_UN); }
  };
  while (::flock(file_.get(), LOCK_EX) != 0) {
    check_io(errno == EINTR, "{}: cannot be locked: {}", path_.string(), last_error());
  }
  const Lock lock{file_.get()};
  mend_last_line();
  const off_t end = ::lseek(file_.get(), 0, SEEK_END);
  try {
    write_all(file_.get(), std::string(line) + '\n', path_);
    require(::fsync(file_.get()) == 0, path_, "cannot be flushed to the disk");
  } catch (const Error&) {
    [[maybe_unused]] const bool is_cut = end >= 0 && ::ftruncate(file_.get(), end) == 0;
    throw;
  }
}

void SharedAppender::mend_last_line() {
  const FileReader reader(path_);
  char last = '\n';
  if (reader.size() > 0) reader.read(reader.size() - 1, std::as_writable_bytes(std::span(&last, 1)));
  if (last == '\n') return;
  std::string tail;  // after the last line feed
  for (std::uint64_t begin = reader.size(); begin > 0 && tail.find('\n') == std::string::npos;) {
    const std::uint64_t count = std::min<std::uint64_t>(begin, kPiece);
    std::string piece(count, '\0');
    begin -= count;
    reader.read(begin, std::as_writable_bytes(std::span(piece)));
    tail.insert(0, piece);
  }
  tail.erase(0, tail.rfind('\n') + 1);
  if (is_whole_(tail)) return write_all(file_.get(), "\n", path_);
  const auto whole = static_cast<off_t>(reader.size() - tail.size());
  require(::ftruncate(file_.get(), whole) == 0, path_, "cannot be cut behind its last whole line");
}

}  // namespace kiln
