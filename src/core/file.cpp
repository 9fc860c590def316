// Wraps POSIX files and checks every return value: data reported as written is on the disk.
#include "kiln/core/file.h"

#include "kiln/core/file_streams.h"

#include "core/posix.h"
#include <algorithm>
#include <sys/mman.h>
#include <system_error>
#include <utility>

namespace kiln {
namespace {

/// Exchanges two folders atomically; in three renames on file systems that cannot (NFS, some FUSE).
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
  for (;;) {  // to the end, not to the size: pipes and /proc files report no size
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
  std::error_code ignored;           // remains under the temporary's name do no harm
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

}  // namespace kiln
