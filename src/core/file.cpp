// POSIX files with every return value checked: what is reported as written is on the disk.
#include "kiln/core/file.h"

#include "kiln/core/error.h"

#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace kiln {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;
constexpr std::size_t kBlock = 4096;  // what memory, place and length are multiples of where O_DIRECT writes

std::string last_error() { return std::strerror(errno); }

/// Throws Error (io) "PATH: WHAT: reason" unless a call succeeded; made of the call's result, so that errno is read
/// after the call.
void require(bool succeeded, const std::filesystem::path& path, const char* what) {
  if (!succeeded) fail(ExitCode::io, "{}: {}: {}", path.string(), what, last_error());
}

/// An open descriptor that is closed on every way out.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags, mode_t mode = 0644)
      : value_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

/// Opens for reading and returns the size; folders and missing files are the caller's user's mistake.
std::size_t size_for_reading(const Descriptor& file, const std::filesystem::path& path) {
  check_input(file.get() >= 0, "{}: cannot be opened: {}", path.string(), last_error());
  struct stat status {};
  require(::fstat(file.get(), &status) == 0, path, "cannot be examined");
  check_input(!S_ISDIR(status.st_mode), "{}: is a folder; a file is expected", path.string());
  return static_cast<std::size_t>(status.st_size);
}

/// The buffer of a FileWriter. Throws std::bad_alloc.
char* new_piece() {
  void* const bytes = std::aligned_alloc(kBlock, kPiece);
  if (bytes == nullptr) throw std::bad_alloc();
  return static_cast<char*>(bytes);
}

/// Has what is written from here on kept in the page cache; false where it is anyway.
bool use_page_cache(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_DIRECT) != 0 && ::fcntl(descriptor, F_SETFL, flags & ~O_DIRECT) == 0;
}

void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EINVAL && use_page_cache(descriptor))
      continue;  // a write cut short has left the blocks
    check_io(written > 0, "{}: cannot be written: {}", path.string(), last_error());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Exchanges two folders; on file systems that cannot do so at once (NFS, some of FUSE), in three renames.
bool exchange(const std::filesystem::path& a, const std::filesystem::path& b) {
  if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return false;
  const std::string aside = a.string() + ".old";
  return ::rename(b.c_str(), aside.c_str()) == 0 && ::rename(a.c_str(), b.c_str()) == 0 &&
         ::rename(aside.c_str(), a.c_str()) == 0;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  Descriptor file(path, O_RDONLY);
  std::string bytes;
  bytes.reserve(size_for_reading(file, path) + 1);
  std::string piece(kPiece, '\0');
  for (;;) {  // to the end rather than to the size: pipes and /proc files have none
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    check_io(got >= 0, "{}: cannot be read: {}", path.string(), last_error());
    if (got == 0) return bytes;
    bytes.append(piece.data(), static_cast<std::size_t>(got));
  }
}

FileDigest write_file_synced(const std::filesystem::path& path, std::string_view bytes) {
  FileWriter file(path);
  file.write(bytes);
  return file.finish();
}

void sync_directory(const std::filesystem::path& directory) {
  Descriptor folder(directory.empty() ? std::filesystem::path(".") : directory, O_RDONLY | O_DIRECTORY);
  require(folder.get() >= 0 && ::fsync(folder.get()) == 0, directory, "the folder cannot be flushed to the disk");
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  try {
    write_file_synced(temporary, bytes);
    replace_file(temporary, path);
  } catch (const Error&) {
    ::unlink(temporary.c_str());
    throw;
  }
}

void replace_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  require(::rename(from.c_str(), to.c_str()) == 0, to, "cannot be replaced");
  sync_directory(to.parent_path());
}

void replace_directory(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    check_io(errno == EEXIST || errno == ENOTEMPTY, "{}: cannot be put in place: {}", to.string(), last_error());
    require(exchange(from, to), to, "cannot be replaced");
  }
  sync_directory(to.parent_path());  // before the old folder goes: until then a crash may bring it back
  std::error_code ignored;           // what is left of it does no harm under the temporary's name
  std::filesystem::remove_all(from, ignored);
}

void make_directories(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  if (is_folder(path)) return;
  if (!parent.empty() && parent != path) make_directories(parent);
  const bool is_made = ::mkdir(path.c_str(), 0777) == 0 || (errno == EEXIST && is_folder(path));
  check_io(is_made, "{}: the folder cannot be made: {}", path.string(), last_error());
  sync_directory(parent);
}

std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    paths.push_back(entry->path());
  }
  const bool is_missing = error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
  check_io(!error || is_missing, "{}: cannot be listed: {}", folder.string(), error.message());
  std::ranges::sort(paths);
  return paths;
}

bool path_exists(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

bool is_folder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

std::filesystem::path path_within(const std::filesystem::path& folder, const std::filesystem::path& name) {
  std::error_code error;
  const std::filesystem::path base = std::filesystem::weakly_canonical(std::filesystem::absolute(folder), error);
  const std::filesystem::path full = error ? base : std::filesystem::weakly_canonical(base / name, error);
  const std::filesystem::path relative = full.lexically_relative(base);
  const bool inside = !error && !relative.empty() && relative != "." && *relative.begin() != "..";
  check_input(inside, "{}: \"{}\" leads out of the folder; copy what the links name, as cp -rL FOLDER COPY does",
              folder.string(), name.string());
  return folder / name;
}

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

void StreamHash::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

StreamHash::StreamHash() : state_(XXH3_createState()) { XXH3_64bits_reset(state_.get()); }

void StreamHash::update(std::string_view bytes) { XXH3_64bits_update(state_.get(), bytes.data(), bytes.size()); }

std::uint64_t StreamHash::digest() const { return XXH3_64bits_digest(state_.get()); }

std::uint64_t hash_file(const std::filesystem::path& path) {
  Descriptor file(path, O_RDONLY);
  size_for_reading(file, path);
  StreamHash hash;
  std::string piece(kPiece, '\0');
  for (;;) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    check_io(got >= 0, "{}: cannot be read: {}", path.string(), last_error());
    if (got == 0) return hash.digest();
    hash.update({piece.data(), static_cast<std::size_t>(got)});
  }
}

std::string hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

MappedFile::MappedFile(const std::filesystem::path& path) {
  Descriptor file(path, O_RDONLY);
  size_ = size_for_reading(file, path);
  if (size_ == 0) return;
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  check_io(address != MAP_FAILED, "{}: cannot be mapped into memory: {}", path.string(), last_error());
  data_ = static_cast<const char*>(address);
  guard_ = MapGuard(data_, size_, path.string());
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      guard_(std::move(other.guard_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(guard_, other.guard_);
  return *this;
}

FileReader::FileReader(const std::filesystem::path& path) : path_(path) {
  Descriptor file(path, O_RDONLY);
  size_ = size_for_reading(file, path);
  descriptor_ = file.release();
}

FileReader::~FileReader() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FileReader::FileReader(FileReader&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_) {}

FileReader& FileReader::operator=(FileReader&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  return *this;
}

void FileReader::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    check_io(got >= 0, "{}: cannot be read: {}", path_.string(), last_error());
    check_input(got > 0, "{}: ends at byte {}, where {} more are expected; was it cut short?", path_.string(), offset,
                bytes.size());
    offset += static_cast<std::uint64_t>(got);
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

FileWriter::FileWriter(const std::filesystem::path& path, PageCache cache)
    : path_(path),
      buffer_(new_piece()),
      descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
  check_io(descriptor_ >= 0, "{}: cannot be created: {}", path.string(), last_error());
  if (cache == PageCache::bypass) ::fcntl(descriptor_, F_SETFL, ::fcntl(descriptor_, F_GETFL) | O_DIRECT);
}

FileWriter::~FileWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
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
  const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  check_io(written == std::ssize(bytes), "{}: cannot be written: {}", path_.string(), last_error());
}

void FileWriter::flush() {
  if (buffered_ < kPiece) use_page_cache(descriptor_);  // the end of the file, as a rule, which seldom fills its block
  write_all(descriptor_, {buffer_.get(), std::exchange(buffered_, 0)}, path_);
}

FileDigest FileWriter::finish() {
  flush();
  require(::fsync(descriptor_) == 0, path_, "cannot be flushed to the disk");
  require(::close(std::exchange(descriptor_, -1)) == 0, path_, "cannot be closed");
  return {size_, hash_.digest()};
}

RecordAppender::RecordAppender(const std::filesystem::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  check_io(descriptor_ >= 0, "{}: cannot be opened for writing: {}", path.string(), last_error());
}

RecordAppender::~RecordAppender() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void RecordAppender::append(std::string_view record) {
  const off_t end = ::lseek(descriptor_, 0, SEEK_END);
  ssize_t written = -1;
  do {
    written = ::write(descriptor_, record.data(), record.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(record.size())) return;
  const std::string reason = written < 0 ? last_error() : "the disk is full";
  const bool taken_back = written <= 0 || (end >= 0 && ::ftruncate(descriptor_, end) == 0);
  fail(ExitCode::io, "{}: cannot be written: {}{}", path_.string(), reason, taken_back ? "" : " (a part of it stands)");
}

LineAppender::LineAppender(const std::filesystem::path& path) : records_(path) {
  const FileReader file(path);
  char last = '\n';
  if (file.size() > 0) file.read(file.size() - 1, std::as_writable_bytes(std::span(&last, 1)));
  if (last != '\n') records_.append("\n");
}

void RecordAppender::sync() { require(::fsync(descriptor_) == 0, path_, "cannot be flushed to the disk"); }

FileLock::FileLock(const std::filesystem::path& path, std::string_view remedy)
    : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  check_io(descriptor_ >= 0, "{}: cannot be created: {}", path.string(), last_error());
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    ::close(std::exchange(descriptor_, -1));
    check_io(reason == EWOULDBLOCK, "{}: cannot be locked: {}", path.string(), std::strerror(reason));
    std::string holder = read_file(path);
    while (!holder.empty() && holder.back() == '\n') holder.pop_back();
    fail(ExitCode::usage, "{}: in use by process {}; wait until it ends{}{}", path.parent_path().string(), holder,
         remedy.empty() ? "" : ", or ", remedy);
  }
  const std::string self = fmt::format("{}\n", ::getpid());
  const bool written = ::ftruncate(descriptor_, 0) == 0 &&
                       ::pwrite(descriptor_, self.data(), self.size(), 0) == static_cast<ssize_t>(self.size());
  if (!written) {
    const std::string reason = last_error();
    ::close(std::exchange(descriptor_, -1));
    fail(ExitCode::io, "{}: cannot be written: {}", path.string(), reason);
  }
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);  // closing releases the lock
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
  // A process that is gone holds nothing. That is asked first: trying the lock keeps others from it for an instant.
  const bool is_alive = holder > 0 && (::kill(static_cast<pid_t>(holder), 0) == 0 || errno == EPERM);
  const bool is_held = is_alive && ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  return is_held ? std::optional(holder) : std::nullopt;
}

}  // namespace kiln
